"""Usage on the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bitting.api.models import ListView, View

StepName = Literal["minute", "hour", "day"]


class UsageView(View):
    """A count; of key, outcome, scope, dataset and door it has those that it is grouped by."""

    at: str = Field(description="The beginning of its minute, hour or day (UTC)")
    keyId: str | None = Field(None, description="Null: no key was proven, or somebody asked without one")
    outcome: str | None = Field(None, description="`valid`, or the code of the refusal or error")
    scope: str | None = Field(None, description="What was needed, joined by spaces where it was several; null: nothing")
    dataset: str | None = Field(None, description="Null: none was named, it is gone, or the call was refused")
    door: Literal["api", "verify", "authorize", "library"] | None = Field(
        None, description="`api`: a call of this API; the others: a decision for an API of your own"
    )
    count: int


class UsageList(ListView[UsageView]):
    """Counts, newest first."""

    step: StepName
    start: str = Field(alias="from", description="The span that is answered: whole steps, from here on")
    end: str = Field(alias="to", description="and before this")
    partial: bool = Field(description="Whether your own role hides a part of this from you")


class AddressView(View):
    """How often keys were verified for one address."""

    address: str | None = Field(
        description="IPv4 as it is, of IPv6 the /64; null: together, what past 100 of a key in an hour isn't told apart"
    )
    allowed: int
    refused: int
    lastHour: str = Field(description="The beginning of the last hour in which it came (UTC)")


class AddressList(View):
    """From where keys were verified, the most frequent first."""

    items: list[AddressView]
    truncated: bool = Field(description="Whether there are more than were asked for")
    start: str = Field(
        alias="from",
        description="The span that is answered: whole hours, or days where it is longer than two, from here on",
    )
    end: str = Field(alias="to", description="and before this")
