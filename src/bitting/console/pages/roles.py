"""Roles: the list, one with what it opens, and how it is made, changed and deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from bitting.api.etags import etag
from bitting.api.pages import PageRequest
from bitting.console.asked import Asked
from bitting.console.forms import checked
from bitting.console.language import mark
from bitting.console.pages.role_form import (
    ALL,
    OPERATORS,
    RoleForm,
    body_of,
    fields_of,
    form_in,
    form_of,
    grants_of,
    placed,
    rearranged,
)
from bitting.console.routing import Pages
from bitting.core.decisions import Allowed
from bitting.core.delegation import may_write_role
from bitting.core.errors import Conflict, Refused
from bitting.core.problems import Flaw, InvalidInput
from bitting.datasets.drafts import MAX_DATASETS
from bitting.datasets.service import list_datasets
from bitting.roles.describing import compare_role, describe_role, describe_roles
from bitting.roles.previewing import preview_role
from bitting.roles.schemas import RoleChange, RoleCreate
from bitting.roles.service import change_role, create_role, delete_role, list_roles, read_role

pages = Pages("roles")

_PAGE = 50
_MOST = PageRequest(limit=MAX_DATASETS)
_LIST, _READ, _CREATE = "GET /v1/roles", "GET /v1/roles/{role_id}", "POST /v1/roles"
_CHANGE, _DELETE = "PATCH /v1/roles/{role_id}", "DELETE /v1/roles/{role_id}"
_WRONG_NAME = mark("That is not the role's name: nothing was done.")


@pages.get("/roles")
def show_roles(asked: Asked) -> Response:
    """The roles, in the order in which they were made."""
    page = PageRequest(_PAGE, asked.query("cursor"))
    found = list_roles(asked.backend, asked.calling(_LIST), page)
    said = describe_roles(asked.backend, asked.calling(_LIST), [role["id"] for role in found["items"]])
    return asked.page("roles/list.html", found=found, said=said, makes=asked.may(_CREATE))


@pages.get("/roles/new")
def show_new(asked: Asked) -> Response:
    """The form of a new role."""
    asked.calling(_CREATE)
    return _form(asked, RoleForm(), None)


@pages.post("/roles/new", call=_CREATE)
def make(asked: Asked) -> Response:
    """Makes a role, once what it opens was shown."""
    return _written(asked, None)


@pages.post("/roles/preview", call=_LIST)
def preview(asked: Asked) -> Response:
    """What the role that is being typed would show: a part of the form's page."""
    form = form_in(asked.entered)
    return asked.page("roles/preview.html", **_preview(asked, form, _datasets(asked)))


@pages.get("/roles/{role_id}")
def show_role(asked: Asked, role_id: str) -> Response:
    """One role, what it opens, and who has it."""
    return _detail(asked, role_id)


@pages.get("/roles/{role_id}/edit")
def show_edit(asked: Asked, role_id: str) -> Response:
    """The form of a role that stands."""
    role = read_role(asked.backend, asked.calling(_READ), role_id)
    asked.calling(_CHANGE)
    return _form(asked, form_of(role, etag(role), _datasets(asked)), role)


@pages.post("/roles/{role_id}/edit")
def change(asked: Asked, role_id: str) -> Response:
    """Changes a role, if it still is as the form had it, once what that opens and closes was shown."""
    return _written(asked, read_role(asked.backend, asked.calling(_READ), role_id))


@pages.post("/roles/{role_id}/delete")
def delete(asked: Asked, role_id: str) -> Response:
    """Deletes a role that nobody has, once its name was typed in."""
    role = read_role(asked.backend, asked.calling(_READ), role_id)
    if asked.entered.one("confirm").strip() != role["name"].strip():
        return _detail(asked, role_id, asked.say(_WRONG_NAME), 422)
    try:
        delete_role(asked.backend, asked.calling(_DELETE, if_match=asked.entered.one("tag") or None), role_id)
    except Conflict as error:
        return _detail(asked, role_id, asked.say(error.detail), 409)
    return asked.redirect("/roles", "role-deleted")


def _detail(asked: Asked, role_id: str, error: str | None = None, status: int = 200) -> Response:
    role = read_role(asked.backend, asked.calling(_READ), role_id)
    said = describe_role(asked.backend, asked.calling(_READ), role_id)
    return asked.page(
        "roles/detail.html",
        status,
        role=role,
        tag=etag(role),
        said=said,
        datasets=_datasets(asked),
        alike=_alike,
        changes=_may_change(asked, role),
        delete_error=error,
    )


def _alike(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is open, state by state, with one row for all states in which the same is."""
    rows: list[dict[str, Any]] = []
    for entry in entries:
        rights = {name: value for name, value in entry.items() if name != "state"}
        same = next((row for row in rows if row | rights == row), None)
        if same is None:
            rows.append({**rights, "states": [entry["state"]]})
        else:
            same["states"].append(entry["state"])
    return rows


def _may_change(asked: Asked, role: dict[str, Any]) -> bool:
    """Whether changing is offered; nobody changes the role that binds them, whatever it holds."""
    return asked.may(_CHANGE) and isinstance(may_write_role(asked.principal, role["id"], None, None), Allowed)


# --- the form ------------------------------------------------------------------------------------


def _written(asked: Asked, standing: dict[str, Any] | None) -> Response:
    """What a button of the form asks: a row more or less, a look, the page with what changes, or to save that."""
    asked.calling(_CREATE if standing is None else _CHANGE)
    form, act = form_in(asked.entered), asked.entered.one("do", "review")
    if rearranged(form, act, asked.entered.one("more")) or act == "back":
        return _form(asked, form, standing)
    if act == "preview":
        return _form(asked, form, standing, look=True)
    try:
        body = checked(RoleCreate if standing is None else RoleChange, body_of(form, _datasets(asked)))
        return _saved(asked, form, standing, body) if act == "save" else _review(asked, form, standing, body)
    except (InvalidInput, Conflict) as error:
        return _form(asked, form, standing, _flaws(error))


def _saved(asked: Asked, form: RoleForm, standing: dict[str, Any] | None, body: dict[str, Any]) -> Response:
    if standing is None:
        role = create_role(asked.backend, asked.calling(_CREATE), body).view
        return asked.redirect(f"/roles/{role['id']}", "role-created")
    context = asked.calling(_CHANGE, if_match=form.tag or None)
    change_role(asked.backend, context, str(standing["id"]), body)
    return asked.redirect(f"/roles/{standing['id']}", "role-changed")


def _review(asked: Asked, form: RoleForm, standing: dict[str, Any] | None, body: dict[str, Any]) -> Response:
    role_id = None if standing is None else str(standing["id"])
    said = compare_role(asked.backend, asked.calling(_READ), role_id, body["grants"])
    return asked.page("roles/review.html", standing=standing, name=body["name"], said=said, fields=form.fields())


def _form(
    asked: Asked,
    form: RoleForm,
    standing: dict[str, Any] | None,
    flaws: Iterable[Flaw] = (),
    *,
    look: bool = False,
) -> Response:
    datasets = _datasets(asked)
    looked: dict[str, Any] = {"found": None, "flaws": (), "datasets": datasets}
    if look:
        looked = _preview(asked, form, datasets)
    said = [Flaw(flaw.path, asked.say(flaw.reason)) for flaw in flaws]
    said = [placed(form, flaw) for flaw in [*said, *looked["flaws"]]]
    return asked.page(
        "roles/form.html",
        422 if said else 200,
        **{**looked, "flaws": said},
        entered=form.entered().with_flaws(said),
        form=form,
        standing=standing,
        operators=OPERATORS,
        fields={name: fields_of(dataset) for name, dataset in datasets.items()},
        all=ALL,
    )


def _preview(asked: Asked, form: RoleForm, datasets: dict[str, dict[str, Any]]) -> dict[str, Any]:
    asked.calling(_LIST)
    found: dict[str, Any] | None = None
    flaws: tuple[Flaw, ...] = ()
    try:
        body = checked(RoleChange, {"grants": grants_of(form, datasets)})
        look = form.look or next((grant["dataset"] for grant in body["grants"]), None)
        found = preview_role(asked.backend, asked.calling("GET /v1/records"), body["grants"], look)
        found["look"] = look
    except InvalidInput as error:
        flaws = error.flaws
    except Refused as error:
        flaws = (Flaw("grants", error.detail),)
    said = [Flaw(flaw.path, asked.say(flaw.reason)) for flaw in flaws]
    return {"found": found, "flaws": said, "datasets": datasets}


def _flaws(error: InvalidInput | Conflict) -> Iterable[Flaw]:
    return [Flaw("name", error.detail)] if isinstance(error, Conflict) else error.flaws


def _datasets(asked: Asked) -> dict[str, dict[str, Any]]:
    found = list_datasets(asked.backend, asked.calling("GET /v1/datasets"), _MOST)["items"]
    return {dataset["name"]: dataset for dataset in found}
