"""Reads the files that people write: YAML or JSON, one document or a list of them, strictly.

YAML is read as YAML 1.2's core schema means it: `no`, `on` and `2026-01-31` are texts, and only true and false are
booleans. A name that stands twice is refused, as in JSON: the first would be lost without a word.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from bitting.cli.errors import Problem
from bitting.core.jsontext import Malformed, parse, text_flaw

_YAML = (".yaml", ".yml")


def read_documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a file; `.json` is read as JSON, `.yaml` and `.yml` as YAML.

    Raises:
        Problem: it can't be read, or is neither an object nor a list of objects.
    """
    value = _json(path) if path.suffix == ".json" else _yaml(path) if path.suffix in _YAML else _unknown(path)
    documents: list[Any] = value if isinstance(value, list) else [value]
    if not documents or not all(isinstance(item, dict) for item in documents):
        raise Problem(f"{path.name} must hold an object, or a list of objects.")
    return documents


def _unknown(path: Path) -> object:
    raise Problem(f"{path.name} is of no known kind.", "Its name must end in .yaml, .yml or .json.")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Problem(f"{path} can't be read: {error.strerror}.") from None


def _json(path: Path) -> object:
    try:
        return parse(_bytes(path))
    except Malformed as error:
        raise Problem(f"{path.name}: {error}.") from None


def _yaml(path: Path) -> object:
    try:
        # Loader is a SafeLoader: it makes nothing but plain values.
        value: object = yaml.load(_bytes(path), Loader=_Loader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise Problem(f"{path.name}{place}: {error.problem}.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise Problem(f"{path.name} is not YAML in UTF-8.") from None
    except RecursionError:
        raise Problem(f"{path.name} is nested too deep.") from None
    return value


class _Loader(yaml.SafeLoader):
    """A safe loader of the core schema, for which every name stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(None, None, "names must be texts", key.start_mark)
            if key.value in seen:
                problem = f"the name '{key.value}' stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """A text that can be stored."""
        text = str(self.construct_scalar(node))
        reason = text_flaw(text)
        if reason is not None:
            raise yaml.constructor.ConstructorError(None, None, f"a text {reason}", node.start_mark)
        return text


_Loader.yaml_implicit_resolvers = {}
_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.construct_text)
for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(?:0|[1-9][0-9]{0,18})", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][+-]?[0-9]+)?", list("-0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)
