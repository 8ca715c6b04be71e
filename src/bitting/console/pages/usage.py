"""Usage: what came of calls over a span of time, and by which key, scope, dataset and door."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from bitting.api.pages import PageRequest
from bitting.console.asked import Asked
from bitting.console.charts import Chart
from bitting.console.forms import Entered
from bitting.console.language import mark
from bitting.console.routing import Pages
from bitting.console.timeline import SPANS, Span, bars, span_between, span_of
from bitting.core.errors import NotFound
from bitting.core.problems import Flaw, InvalidInput
from bitting.keys.service import key_names
from bitting.usage.schemas import StepName
from bitting.usage.service import UsageRequest, list_addresses, list_usage, top_usage
from bitting.verify.counting import VALID

pages = Pages("usage")

_TOP = 20
_ALL = PageRequest(limit=100_000)
"""Steps times outcomes: at most some thousands."""
_GROUPS = ("scope", "dataset", "door")
_TITLE, _ALLOWED, _REST = mark("Calls by outcome over time"), mark("allowed"), mark("other refusals")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked at: a span, and if you like one key or one outcome alone."""

    span: str
    start: str = ""
    end: str = ""
    key: str | None = None
    outcome: str | None = None

    def query(self, **others: Any) -> dict[str, Any]:
        """The address's query for the same, but for some."""
        days = {"from": self.start or None, "to": self.end or None} if self.span == "custom" else {}
        return {"span": self.span, **days, "key": self.key, "outcome": self.outcome, **others}


@pages.get("/usage")
def show_usage(asked: Asked) -> Response:
    """Usage of the span that is asked for; a day unless told."""
    chosen = asked.query("span")
    wanted = Wanted(
        chosen if chosen in SPANS else "day",
        asked.query("from") or "",
        asked.query("to") or "",
        asked.query("key"),
        asked.query("outcome"),
    )
    names = _names(asked, [wanted.key]) if wanted.key else {}
    if wanted.key and wanted.key not in names:
        raise NotFound
    try:
        found = _found(asked, wanted)
    except InvalidInput as error:
        flaws = [Flaw(flaw.path.removeprefix("query."), asked.say(flaw.reason)) for flaw in error.flaws]
        entered = Entered(flaws=flaws)
        return asked.page("usage/show.html", 422, wanted=wanted, names=names, spans=SPANS, entered=entered, found=None)
    names |= _names(asked, [item["keyId"] for item in found["keys"]["items"] if item["keyId"]])
    return asked.page("usage/show.html", wanted=wanted, names=names, spans=SPANS, found=found, valid=VALID)


def by_outcome(step: StepName) -> UsageRequest:
    """Asks for outcomes over the usual span of a step."""
    return UsageRequest(_ALL, step=step, group_by="outcome")


def summary(asked: Asked, answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer to `by_outcome` as a chart, and the sums of each outcome, the most frequent first."""
    outcomes: Counter[str] = Counter()
    for item in answer["items"]:
        outcomes[item["outcome"]] += item["count"]
    return {"chart": _bars(asked, answer), "outcomes": outcomes.most_common()}


def _bars(asked: Asked, answer: Mapping[str, Any]) -> Chart:
    names = {VALID: asked.say(_ALLOWED)}
    return bars(answer, asked.say(_TITLE), names, asked.say(_REST), asked.language)


def _found(asked: Asked, wanted: Wanted) -> dict[str, Any]:
    now = asked.backend.clock()
    span = span_between(wanted.start, wanted.end, now) if wanted.span == "custom" else span_of(wanted.span, now)
    request = _request(span, wanted)
    context = asked.calling("GET /v1/usage")
    over_time = list_usage(asked.backend, context, replace(request, group_by="outcome"))

    def top(group: str) -> dict[str, Any]:
        return top_usage(asked.backend, context, replace(request, group_by=group), _TOP)

    return {
        "chart": _bars(asked, over_time),
        "partial": over_time["partial"],
        "outcomes": top("outcome"),
        "keys": top("keyId") if wanted.key is None else {"items": [], "truncated": False},
        "groups": [(group, top(group)) for group in _GROUPS],
        "addresses": _addresses(asked, span, wanted),
    }


def _addresses(asked: Asked, span: Span, wanted: Wanted) -> dict[str, Any] | None:
    """From where keys were verified, as the other tables have it; of one outcome alone that isn't known."""
    if wanted.outcome is not None:
        return None
    context = asked.calling("GET /v1/usage/addresses")
    answer = list_addresses(asked.backend, context, span.start, span.end, wanted.key, _TOP)
    items = [{**item, "count": item["allowed"] + item["refused"]} for item in answer["items"]]
    return {"items": items, "truncated": answer["truncated"]}


def _request(span: Span, wanted: Wanted) -> UsageRequest:
    return UsageRequest(_ALL, span.start, span.end, span.step, wanted.key, wanted.outcome)


def _names(asked: Asked, key_ids: list[str]) -> dict[str, str]:
    """The names of keys that the person may read."""
    return key_names(asked.backend, asked.calling("GET /v1/keys"), key_ids) if asked.may("GET /v1/keys") else {}
