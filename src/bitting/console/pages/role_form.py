"""The form of a role: its grants, and their conditions as rows or as text, that come and go without a script.

A condition is built of rows while these can say it, and is a text otherwise. Where a text stands it alone counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bitting.console.forms import Entered
from bitting.console.language import mark
from bitting.console.pages.numbered import rows_in
from bitting.console.pages.record_values import text_of, value_from
from bitting.core.conditions.language import MAX_PARTS
from bitting.core.grants import MAX_GRANTS
from bitting.core.jsontext import Malformed, parse
from bitting.core.problems import Flaw, InvalidInput

ALL = "*"
OPERATORS = ("eq", "ne", "lt", "lte", "gt", "gte", "contains", "startsWith", "filled", "empty", "me")
RESERVED = {"state": "text", "id": "text", "author": "user", "createdAt": "datetime", "updatedAt": "datetime"}
"""What every record answers to in a condition, with the type that its values have."""
_UNARY = {"filled": False, "empty": True}
_ME = {"$user": "id"}
NO_PROPERTY = mark("Choose a property, or remove the condition.")
_ONE, _MANY = ("dataset", "assignedOnly", "join", "text"), ("states", "view", "edit", "record", "to")
_ROW = ("property", "operator", "value")

Row = dict[str, str]
Datasets = Mapping[str, Mapping[str, Any]]


@dataclass
class GrantForm:
    """One grant as it is typed."""

    one: dict[str, str] = field(default_factory=dict)
    many: dict[str, list[str]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


@dataclass
class RoleForm:
    """A role as it is typed; `tag` is the ETag of the role that the form was made from."""

    name: str = ""
    tag: str = ""
    look: str = ""
    grants: list[GrantForm] = field(default_factory=list)

    def entered(self) -> Entered:
        """The form's fields."""
        values = {"name": [self.name], "tag": [self.tag], "look": [self.look]}
        for place, grant in enumerate(self.grants):
            path = f"grants.{place}"
            values |= {f"{path}.{name}": [grant.one.get(name, "")] for name in _ONE}
            values |= {f"{path}.{name}": grant.many.get(name, []) for name in _MANY}
            for number, row in enumerate(grant.rows):
                values |= {f"{path}.rows.{number}.{name}": [row.get(name, "")] for name in _ROW}
        return Entered(values)

    def fields(self, below: str = "") -> list[tuple[str, str]]:
        """The same as hidden fields, those whose names begin so: what a page carries on."""
        entered = self.entered()
        return [(name, value) for name in entered.names(below) for value in entered.all(name) if value]


def form_in(entered: Entered) -> RoleForm:
    """The form as it was sent, its grants and rows counted through.

    Raises:
        InvalidInput: there are fields of grants that no page of ours makes.
    """
    found = RoleForm(entered.one("name"), entered.one("tag"), entered.one("look"))
    for grant in rows_in(entered, "grants", MAX_GRANTS, _ONE, (*_MANY, "rows.")):
        rows = [{name: row.one(name) for name in _ROW} for row in rows_in(grant, "rows", MAX_PARTS, _ROW)]
        one = {name: grant.one(name) for name in _ONE}
        found.grants.append(GrantForm(one, {name: grant.all(name) for name in _MANY}, rows))
    return found


def rearranged(form: RoleForm, act: str, dataset: str) -> bool:
    """Adds or removes a grant or a row, if that is what a button asked; dataset: the one that a new grant is for."""
    verb, _, place = act.partition(":")
    numbers = [int(part) if part.isdecimal() and len(part) < 6 else -1 for part in place.split(".")]
    if verb == "add-grant":
        if dataset and len(form.grants) <= MAX_GRANTS:
            form.grants.append(GrantForm({"dataset": dataset}, {"states": [ALL]}))
    elif verb == "remove-grant":
        _remove(form.grants, numbers[0])
    elif verb == "add-row" and numbers[0] in range(len(form.grants)):
        rows = form.grants[numbers[0]].rows
        rows += [{}] if len(rows) <= MAX_PARTS else []
    elif verb == "remove-row" and numbers[0] in range(len(form.grants)):
        _remove(form.grants[numbers[0]].rows, numbers[-1])
    else:
        return False
    return True


def form_of(view: Mapping[str, Any], tag: str, datasets: Datasets) -> RoleForm:
    """The form of a role that stands."""
    grants = [_grant_form(grant, datasets.get(grant["dataset"], {})) for grant in view["grants"]]
    return RoleForm(view["name"], tag, "", grants)


def body_of(form: RoleForm, datasets: Datasets) -> dict[str, Any]:
    """The role that the form asks for.

    Raises:
        InvalidInput: a condition's text is no JSON; the call itself judges the rest.
    """
    return {"name": form.name.strip(), "grants": grants_of(form, datasets)}


def grants_of(form: RoleForm, datasets: Datasets) -> list[dict[str, Any]]:
    """The grants alone.

    Raises:
        InvalidInput: as `body_of`.
    """
    return [_grant(grant, datasets, f"grants.{place}") for place, grant in enumerate(form.grants)]


def placed(form: RoleForm, flaw: Flaw) -> Flaw:
    """A flaw of the body at its field of the form: at the row that a part of a condition was made of."""
    parts = flaw.path.split(".")
    if len(parts) < 5 or parts[0] != "grants" or parts[2] != "where" or parts[3] not in ("any", "all"):
        return flaw
    grant = form.grants[int(parts[1])]
    filled = [number for number, row in enumerate(grant.rows) if row.get("property")]
    if grant.one.get("text", "").strip() or not parts[4].isdecimal() or int(parts[4]) >= len(filled):
        return flaw
    return Flaw(f"grants.{parts[1]}.rows.{filled[int(parts[4])]}.value", flaw.reason)


def fields_of(dataset: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a condition over a dataset may name, with its title."""
    own = [(prop["name"], prop["title"] or prop["name"]) for prop in dataset["properties"]]
    return [*own, *((name, name) for name in RESERVED)]


def _remove(items: list[Any], place: int) -> None:
    if place in range(len(items)):
        del items[place]


def _grant(grant: GrantForm, datasets: Datasets, path: str) -> dict[str, Any]:
    def selection(name: str) -> str | list[str]:
        return ALL if ALL in grant.many.get(name, ()) else grant.many.get(name, [])

    return {
        "dataset": grant.one["dataset"],
        "states": selection("states"),
        "where": _condition(grant, datasets.get(grant.one["dataset"], {}), path),
        "assignedOnly": bool(grant.one.get("assignedOnly")),
        "record": grant.many.get("record", []),
        "to": selection("to"),
        "view": selection("view"),
        "edit": selection("edit"),
    }


# --- conditions ----------------------------------------------------------------------------------


def _condition(grant: GrantForm, dataset: Mapping[str, Any], path: str) -> Any:
    text = grant.one.get("text", "").strip()
    if text:
        try:
            return parse(text.encode("utf-8", "surrogatepass"))
        except (Malformed, InvalidInput):
            raise InvalidInput.at(f"{path}.where", "a condition as JSON is expected") from None
    types = _types(dataset)
    flaws = [
        Flaw(f"{path}.rows.{number}.value", NO_PROPERTY)
        for number, row in enumerate(grant.rows)
        if not row.get("property") and not _untouched(row)
    ]
    if flaws:
        raise InvalidInput(flaws)
    parts = [_part(types, row) for row in grant.rows if row.get("property")]
    if not parts:
        return None
    return {"any" if grant.one.get("join") == "any" else "all": parts}


def _untouched(row: Row) -> bool:
    """Whether a row was added and left alone; any other without a property would be a condition that is lost."""
    return not row.get("value") and row.get("operator", "") in ("", OPERATORS[0])


def _types(dataset: Mapping[str, Any]) -> dict[str, Any]:
    return {prop["name"]: prop for prop in dataset.get("properties", ())}


def _part(types: Mapping[str, Any], row: Row) -> dict[str, Any]:
    name, operator = row["property"], row.get("operator") or "eq"
    if operator in _UNARY:
        return {name: {"isNull": _UNARY[operator]}}
    if operator == "me":
        return {name: {"eq": _ME}}
    prop = types.get(name, {"type": RESERVED.get(name, "text")})
    return {name: {operator: value_from(prop, row.get("value", ""))}}


def _grant_form(grant: Mapping[str, Any], dataset: Mapping[str, Any]) -> GrantForm:
    one = {"dataset": grant["dataset"], "assignedOnly": "on" if grant["assignedOnly"] else ""}
    many = {name: [ALL] if grant[name] == ALL else list(grant[name]) for name in _MANY}
    join, parts = _joined(grant["where"])
    rows = [_row(part, _types(dataset)) for part in parts]
    if None in rows:
        text = json.dumps(grant["where"], ensure_ascii=False)
        return GrantForm({**one, "text": text}, many)
    return GrantForm({**one, "join": join}, many, [row for row in rows if row is not None])


def _joined(where: Mapping[str, Any] | None) -> tuple[str, list[Any]]:
    """How the parts of a condition are joined, and the parts, each with one name and one operator if it can be."""
    if where is None:
        return "all", []
    if where.keys() == {"any"} and where["any"] and all(len(_split(part)) == 1 for part in where["any"]):
        return "any", [_split(part)[0] for part in where["any"]]
    return "all", _split(where)


def _split(where: Mapping[str, Any]) -> list[dict[str, Any]]:
    if where.keys() == {"all"}:
        return [one for part in where["all"] for one in _split(part)]
    return [{name: one} for name, value in where.items() for one in _each(value)]


def _each(value: object) -> Iterable[object]:
    if isinstance(value, dict) and value and not any(name.startswith("$") for name in value):
        return [{operator: operand} for operator, operand in value.items()]
    return [value]


def _row(part: Mapping[str, Any], types: Mapping[str, Any]) -> Row | None:
    """A part as a row; None where rows can't say just that: it would come back as another condition."""
    name, value = next(iter(part.items()))
    if name not in types and name not in RESERVED:
        return None
    operator, operand = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else ("eq", value)
    if operator.startswith("$"):
        operator, operand = "eq", value
    row = _as_row(name, operator, operand)
    if row is None or not row.get("value", "").isprintable():
        return None
    return row if _part(types, row) == {name: {operator: operand}} else None


def _as_row(name: str, operator: str, operand: object) -> Row | None:
    if operator == "isNull":
        return {"property": name, "operator": "empty" if operand else "filled"}
    if operator == "eq" and operand == _ME:
        return {"property": name, "operator": "me"}
    if operator not in OPERATORS or isinstance(operand, dict | list):
        return None
    return {"property": name, "operator": operator, "value": text_of(operand)}
