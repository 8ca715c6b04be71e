"""JSON Schema for readers: a flat list of fields with their types in words, and an example."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_MAX_DEPTH = 6
_WORDS = {"string": "text", "array": "list"}
_BOUNDS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " entries"),
)
_SAMPLES = {"email": "ada@example.com", "name": "Production", "key": "bit_…", "state": "new", "dataset": "leads"}


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table of fields; `depth` is how far inside it stands."""

    name: str
    depth: int
    type: str
    required: bool
    default: str | None
    description: str
    bounds: str

    @property
    def notes(self) -> str:
        """Bounds and default in one line, the default as `code`."""
        default = "" if self.default is None else f"default `{self.default}`"
        return "; ".join(part for part in (self.bounds, default) if part)


class Schemas:
    """The schemas of a document, with their references resolved.

    Args:
        document: the whole OpenAPI document.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._named: Mapping[str, Schema] = document.get("components", {}).get("schemas", {})

    def fields(self, schema: Schema) -> list[Field]:
        """Every field below a schema, parents before children."""
        return list(self._below(schema, 0))

    def shapes(self, schema: Schema) -> list[tuple[str, list[Field]]]:
        """The objects that a schema allows, one by one, each with its description; one without, if it is one."""
        variants = self._variants(self._resolved(schema))
        if len(variants) < 2:
            return [("", self.fields(schema))]
        return [(str(self._resolved(variant).get("description", "")), self.fields(variant)) for variant in variants]

    def type_of(self, schema: Schema) -> str:
        """A schema's type in words: `text or null`, `list of integer`, `"user" or "owner"`."""
        schema = self._resolved(schema)
        if "const" in schema:
            return _json(schema["const"])
        if "enum" in schema:
            return " or ".join(_json(value) for value in schema["enum"])
        variants = self._variants(schema)
        if variants:
            return " or ".join(dict.fromkeys(self.type_of(variant) for variant in variants))
        kinds = schema.get("type", "anything")
        return " or ".join(self._kind(kind, schema) for kind in (kinds if isinstance(kinds, list) else [kinds]))

    def example(self, schema: Schema, name: str = "") -> Any:
        """A value that shows what is meant: the required fields, or the first one where none is."""
        schema = self._resolved(schema)
        for given in (schema.get("examples"), schema.get("enum")):
            if given:
                return given[0]
        if self._variants(schema):
            return self.example(self._variants(schema)[0], name)
        if schema.get("type") == "object":
            members = schema.get("properties", {})
            chosen = schema.get("required") or list(members)[:1]
            return {member: self.example(members[member], member) for member in chosen if member in members}
        if schema.get("type") == "array":
            return [self.example(schema.get("items", {}), name)] if schema.get("minItems") else []
        return {"integer": 1, "number": 1, "boolean": True}.get(str(schema.get("type")), _SAMPLES.get(name, "…"))

    def _below(self, schema: Schema, depth: int) -> Iterator[Field]:
        schema = self._resolved(schema)
        if depth > _MAX_DEPTH:
            return
        for variant in self._objects(schema):
            required = variant.get("required", [])
            for name, member in variant.get("properties", {}).items():
                yield self._field(name, member, depth, required=name in required)
                yield from self._below(member, depth + 1)
            extra = variant.get("additionalProperties")
            if isinstance(extra, dict) and extra:
                yield self._field("<any name>", extra, depth, required=False)
                yield from self._below(extra, depth + 1)

    def _objects(self, schema: Schema) -> Iterator[Schema]:
        """The objects among what a schema allows: itself, its variants, or the entries of its list."""
        for variant in self._variants(schema) or [schema]:
            resolved = self._resolved(variant)
            if resolved.get("type") == "array":
                yield from self._objects(self._resolved(resolved.get("items", {})))
            elif self._variants(resolved):
                yield from self._objects(resolved)
            else:
                yield resolved

    def _field(self, name: str, schema: Schema, depth: int, *, required: bool) -> Field:
        resolved = self._resolved(schema)
        default = _json(resolved["default"]) if "default" in resolved and not required else None
        described = resolved.get("description", "")
        return Field(name, depth, self.type_of(schema), required, default, described, self._bounds(resolved))

    def _bounds(self, schema: Schema) -> str:
        variants = [schema, *(self._resolved(variant) for variant in self._variants(schema))]
        said = [_between(one, *bound) for one in variants for bound in _BOUNDS]
        said += [f"pattern `{one['pattern']}`" for one in variants if "pattern" in one]
        return ", ".join(part for part in dict.fromkeys(said) if part)

    def _kind(self, kind: str, schema: Schema) -> str:
        word = _WORDS.get(kind, kind)
        return f"{word} of {self.type_of(schema['items'])}" if kind == "array" and schema.get("items") else word

    def _variants(self, schema: Schema) -> list[Schema]:
        return list(schema.get("anyOf") or schema.get("oneOf") or [])

    def _resolved(self, schema: Schema) -> Schema:
        """A schema with its reference followed and its `allOf` merged; what stands beside them wins."""
        seen: set[str] = set()
        while "$ref" in schema and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            beside = {name: value for name, value in schema.items() if name != "$ref"}
            schema = {**self._named.get(schema["$ref"].rpartition("/")[2], {}), **beside}
        merged: dict[str, Any] = {}
        for part in schema.get("allOf", []):
            merged |= self._resolved(part)
        return {**merged, **{name: value for name, value in schema.items() if name != "allOf"}} if merged else schema


def _between(schema: Schema, lowest: str, highest: str, unit: str) -> str:
    low, high = _number(schema.get(lowest)), _number(schema.get(highest))
    if low is not None and high is not None:
        return f"{low} to {high}{unit}"
    if high is not None:
        return f"at most {high}{unit}"
    return "" if low is None else f"at least {low}{unit}"


def _number(bound: Any) -> Any:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
