"""What pydantic finds wrong is said in templates of ours, for every model, and in English word for word as before."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import bitting
from bitting.api.flaws import _REASONS, MAX_FLAWS, flaws_of
from bitting.api.models import Body, RateLimitModel
from bitting.core.wording import Said

WRONG: tuple[Any, ...] = (
    None, True, 0, -(10**30), 10**30, 1.5, "", " ", "x", "x" * 200_000, "\ud800", [], [None], [1] * 2000, ["x"] * 2000,
    {}, {"x": None}, {"x" * 100_000: 1}, {f"x{number}": [] for number in range(2000)}, object(),
)  # fmt: skip


def models() -> list[type[BaseModel]]:
    """Every request body, and what stands in one."""
    for found in pkgutil.walk_packages(bitting.__path__, "bitting."):
        if found.name.endswith(".schemas"):
            importlib.import_module(found.name)
    return [*sorted(_below(Body), key=lambda model: model.__name__), RateLimitModel]


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in model.__subclasses__():
        yield one
        yield from _below(one)


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_whatever_is_wrong_is_said_in_a_template(model: type[BaseModel]) -> None:
    """Each field is given what can't be in it; what pydantic says then, the console can tell in any language."""
    for given in ({}, {"unheard": 1}, *({name: wrong} for name in model.model_fields for wrong in WRONG)):
        try:
            model.model_validate(given)
        except ValidationError as error:
            items = error.errors()
            flaws = flaws_of(items)
            assert len(flaws) == min(len(items), MAX_FLAWS)
            for item, flaw in zip(items, flaws, strict=False):
                assert isinstance(flaw.reason, Said), item["type"]
                assert str(flaw.reason) == str(_REASONS.get(item["type"], item["msg"]))


def test_what_is_not_foreseen_is_said_as_pydantic_says_it() -> None:
    (flaw,) = flaws_of([{"type": "unheard_of", "msg": "Something else", "loc": ("body", "name")}])
    assert (flaw.path, flaw.reason) == ("name", "Something else")
