"""Reading usage: how often which key was used, for what, and what came of it.

Administrators read all of it, everybody else what their own personal keys did. A viewer bound by a role isn't told of
datasets that its role hides: what was counted for them is left out, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bitting.api.pages import PageRequest, page_view
from bitting.backend import Backend, Context, Reading
from bitting.core.errors import NotFound
from bitting.core.jsontext import text_flaw
from bitting.core.principal import KeyFacts, Principal
from bitting.core.problems import InvalidInput
from bitting.core.schema import Catalogue
from bitting.core.usage import Span, Step, kept_since, span
from bitting.core.values import format_instant, parse_instant
from bitting.core.wording import said
from bitting.store.usage import DIMENSIONS, UsageQuestion, UsageRow
from bitting.usage.schemas import StepName
from bitting.verify.counting import VALID

USUAL_GROUPS = "keyId,outcome"
_BY_THE_HOUR = 2  # days at most
_DIMENSIONS = {"keyId" if name == "key" else name: name for name in DIMENSIONS}
"""What to group by, by the name that it has in an answer."""


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """What is asked for, as it was sent."""

    page: PageRequest
    start: str | None = None
    end: str | None = None
    step: StepName = "hour"
    key_id: str | None = None
    outcome: str | None = None
    group_by: str = USUAL_GROUPS


def list_usage(backend: Backend, context: Context, asked: UsageRequest) -> dict[str, Any]:
    """Usage of the workspace's keys; for those who don't administer it, of their own."""
    with backend.read(context) as reading:
        return _answer(reading, asked)


def key_usage(backend: Backend, context: Context, key_id: str, asked: UsageRequest) -> dict[str, Any]:
    """Usage of one key, by whoever may read the key."""
    with backend.read(context) as reading:
        row, principal = reading.keys.get(key_id), reading.principal
        if row is None or not (principal.is_administrator or _own(row.facts, principal)):
            raise NotFound
        return _answer(reading, replace(asked, key_id=key_id))


def top_usage(backend: Backend, context: Context, asked: UsageRequest, limit: int) -> dict[str, Any]:
    """What was counted most in the whole span, the greatest first: of each group, how many and how many were allowed.

    Its cursor is not asked for: what comes after the first few is read from the list, step by step.
    """
    with backend.read(context) as reading:
        shown = reading.shown(reading.datasets.catalogue())
        question = _question(reading, asked, shown)
        found = reading.usage.totals(question, VALID, limit + 1)
        items = [{**_named(total.of, shown), "count": total.count, "allowed": total.allowed} for total in found[:limit]]
        return {"items": items, "truncated": len(found) > limit, **_head(reading, asked, question)}


def list_addresses(
    backend: Backend, context: Context, start: str | None, end: str | None, key_id: str | None, limit: int
) -> dict[str, Any]:
    """From where the workspace's keys were used, the most frequent first; without administration, one's own keys."""
    with backend.read(context) as reading:
        whole = _whole_span(start, end, reading.now)
        _check_text("keyId", key_id)
        found = reading.addresses.totals(whole, key=key_id, owner=_owner(reading.principal), limit=limit + 1)
        items = [
            {
                "address": total.address or None,
                "allowed": total.count.allowed,
                "refused": total.count.refused,
                "lastHour": format_instant(total.last),
            }
            for total in found[:limit]
        ]
        return {
            "items": items,
            "truncated": len(found) > limit,
            "from": format_instant(whole.start),
            "to": format_instant(whole.end),
        }


def _answer(reading: Reading, asked: UsageRequest) -> dict[str, Any]:
    shown = reading.shown(reading.datasets.catalogue())
    question = _question(reading, asked, shown)
    cursor = f"usage {asked.step} {asked.group_by}"
    after = asked.page.after(cursor, int, *(int if name == "dataset" else str for name in question.by))
    page = reading.usage.page(question, asked.page.limit, after, count=asked.page.count)
    return {**page_view(page, cursor, lambda row: usage_view(row, shown)), **_head(reading, asked, question)}


def _question(reading: Reading, asked: UsageRequest, shown: Catalogue) -> UsageQuestion:
    principal = reading.principal
    by = _groups(asked.group_by)
    found = _span(asked.step, asked.start, asked.end, reading.now)
    _check_text("keyId", asked.key_id)
    _check_text("outcome", asked.outcome)
    return UsageQuestion(
        span=found,
        by=tuple(_DIMENSIONS[name] for name in by),
        datasets=tuple(shown.by_id),
        hidden=principal.bound,
        key=asked.key_id,
        owner=_owner(principal),
        outcome=asked.outcome,
    )


def _head(reading: Reading, asked: UsageRequest, question: UsageQuestion) -> dict[str, Any]:
    """What an answer says of itself."""
    return {
        "step": asked.step,
        "from": format_instant(question.span.start),
        "to": format_instant(question.span.end),
        "partial": reading.principal.bound,
    }


def _own(key: KeyFacts, principal: Principal) -> bool:
    return key.owner is not None and key.owner == principal.user_id


def _groups(group_by: str) -> tuple[str, ...]:
    names = tuple(group_by.split(",")) if group_by else ()
    if len(set(names)) != len(names) or not set(names) <= set(_DIMENSIONS):
        choices = ", ".join(f"'{name}'" for name in _DIMENSIONS)
        raise InvalidInput.at(
            "query.groupBy", said("some of %(known)s, each once, with commas between; or nothing", known=choices)
        )
    return names


def _whole_span(start: str | None, end: str | None, now: int) -> Span:
    """A span of whole hours, or of whole days where it is long or long ago."""
    begin = None if start is None else parse_instant(start, "query.from")
    until = now if end is None else parse_instant(end, "query.to")
    kept = kept_since(Step.HOUR, now) or 0
    short = begin is None or (until - begin <= _BY_THE_HOUR * Step.DAY.micros and begin >= kept)
    return span(Step.HOUR if short else Step.DAY, begin, None if end is None else until, now)


def _span(step: StepName, start: str | None, end: str | None, now: int) -> Span:
    return span(
        Step[step.upper()],
        None if start is None else parse_instant(start, "query.from"),
        None if end is None else parse_instant(end, "query.to"),
        now,
    )


def _owner(principal: Principal) -> str | None:
    """Whose keys are told of; None: all."""
    return None if principal.is_administrator else principal.user_id or ""  # nobody's, of who is nobody


def _check_text(name: str, value: str | None) -> None:
    flaw = None if value is None else text_flaw(value)
    if flaw is not None:
        raise InvalidInput.at(f"query.{name}", flaw)


def usage_view(row: UsageRow, shown: Catalogue) -> dict[str, Any]:
    """A count; a dataset is called by the name that it has now."""
    return {"at": format_instant(row.at), **_named(row.of, shown), "count": row.count}


def _named(of: Mapping[str, Any], shown: Catalogue) -> dict[str, Any]:
    """What a count is grouped by, with the names of an answer."""
    named = {name: of[stored] or None for name, stored in _DIMENSIONS.items() if stored in of}
    if "dataset" in named:
        dataset = shown.by_id.get(of["dataset"])
        named["dataset"] = None if dataset is None else dataset.name
    return named
