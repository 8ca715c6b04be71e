"""What is wrong with an input: a list of (path, reason), never just the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with an input: where (dotted path, list positions as numbers) and why."""

    path: str
    reason: str

    def at(self, prefix: str) -> Flaw:
        """The same flaw, its path put below `prefix`."""
        return Flaw(f"{prefix}.{self.path}" if self.path else prefix, self.reason)


class InvalidInput(ValueError):
    """Input that breaks a rule; carries every flaw found, so that one answer names them all."""

    def __init__(self, flaws: Iterable[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("; ".join(f"{flaw.path}: {flaw.reason}" for flaw in self.flaws))

    @classmethod
    def at(cls, path: str, reason: str) -> InvalidInput:
        return cls([Flaw(path, reason)])

    def under(self, prefix: str) -> InvalidInput:
        """The same flaws, each path put below `prefix`."""
        return InvalidInput(flaw.at(prefix) for flaw in self.flaws)


Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]
"""A field on the wire -> the name of the fact that it is, and what reads it (raises InvalidInput)."""


def parsed_fields(given: Mapping[str, Any], fields: Fields) -> tuple[dict[str, Any], list[Flaw]]:
    """The facts that were given, and all that is wrong with the others; given: field -> value, as on the wire."""
    flaws: list[Flaw] = []
    facts: dict[str, Any] = {}
    for name, value in given.items():
        fact, parse = fields[name]
        try:
            facts[fact] = parse(value)
        except InvalidInput as error:
            flaws += error.flaws
    return facts, flaws
