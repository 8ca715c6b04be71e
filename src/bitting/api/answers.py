"""Answers of changes: what to say, and whether it was said before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Response

from bitting.api.etags import etag


@dataclass(frozen=True, slots=True)
class Outcome:
    """A change's answer; `replayed` when an Idempotency-Key brought the first one back."""

    view: dict[str, Any]
    replayed: bool = False


def answer(response: Response, outcome: Outcome, *, no_store: bool = False, tagged: bool = False) -> dict[str, Any]:
    """Sets the headers that go with an outcome; returns its view."""
    if outcome.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    if no_store:
        response.headers["Cache-Control"] = "no-store"
    if tagged:
        response.headers["ETag"] = etag(outcome.view)
    return outcome.view


def tagged(response: Response, view: dict[str, Any]) -> dict[str, Any]:
    """Sets the ETag of what is read; returns it."""
    response.headers["ETag"] = etag(view)
    return view
