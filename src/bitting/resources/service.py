"""Reading and declaring the resources of a workspace's own API."""

from __future__ import annotations

from typing import Any

from bitting.api.etags import check_if_match
from bitting.backend import Backend, Change, Context
from bitting.core.authority import Declared, parse_declared
from bitting.core.errors import Conflict
from bitting.core.wording import counted, mark, said

_NAMED_AT_MOST = 10


def read_resources(backend: Backend, context: Context) -> dict[str, Any]:
    """What is declared."""
    with backend.read(context) as reading:
        return declaration_view(reading.workspace.declared())


def declare_resources(backend: Backend, context: Context, given: dict[str, Any]) -> dict[str, Any]:
    """Makes this the declaration; what keys and routes name stays in it."""
    with backend.change(context) as change:
        before = change.workspace.declared()
        after = parse_declared(given)
        before_view, view = declaration_view(before), declaration_view(after)
        check_if_match(context.if_match, versioned(before_view))
        if after == before:
            return view
        _refuse_what_is_named(change, before, after)
        change.workspace.declare(after)
        change.record("resources.declare", "resources", before_view, view)
        return view


def declaration_view(declared: Declared) -> dict[str, Any]:
    """A declaration as it is written."""
    return {
        resource: {action: {"readOnly": True} if read_only else {} for action, read_only in actions.items()}
        for resource, actions in sorted(declared.items())
    }


def versioned(view: dict[str, Any]) -> dict[str, Any]:
    """What the ETag is of: below a name of ours, as a resource may be named like a field that ETags leave out."""
    return {"resources": view}


def _refuse_what_is_named(change: Change, before: Declared, after: Declared) -> None:
    for resource, actions in before.items():
        gone = {f"{resource}:{action}" for action in actions.keys() - after.get(resource, {}).keys()}
        if not gone:
            continue
        keys = change.keys.naming_resource(resource)
        if resource in after:
            keys = [key_id for key_id in keys if not gone.isdisjoint(_scopes(change, key_id))]
        routes = [row.id for row in change.routes.every() if not gone.isdisjoint(row.route.scopes)]
        if keys:
            template = mark("Scopes of keys name what would go of '%(resource)s': %(names)s.")
            raise Conflict(said(template, resource=resource, names=_named(keys)))
        if routes:
            template = mark("Scopes of routes name what would go of '%(resource)s': %(names)s.")
            raise Conflict(said(template, resource=resource, names=_named(routes)))


def _scopes(change: Change, key_id: str) -> tuple[str, ...]:
    row = change.keys.get(key_id)
    return () if row is None else row.facts.scopes


def _named(idents: list[str]) -> str:
    named = ", ".join(sorted(idents)[:_NAMED_AT_MOST])
    more = len(idents) - _NAMED_AT_MOST
    if more <= 0:
        return named
    return counted("%(names)s and %(num)d more", more, names=named)
