"""From the rows of a file to the values of records: the pure part of `bitting records import`.

A cell of a CSV file is a text, and its property says how it is read: as the JSON value that a caller of the API would
send. From there on both kinds of file take the API's way, `store_value`, so that no file brings in what the API would
refuse. An empty cell is a missing value.

Whether a user or a linked record exists, and whether a row was imported before, only the database knows: that is the
loader's part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bitting.core.jsontext import Malformed, parse, path_label
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.schema import Dataset, Property, PropertyType
from bitting.core.values import store_value
from bitting.core.wording import counted, said

_WHOLE = re.compile(r"-?[0-9]{1,30}")
_NUMBER = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,5})?")
_BOOLEANS = {"true": True, "false": False}
_UNKNOWN = said("no such property")

# What tells one outside thing from another; a number, for one, is no name for anything.
_ID_TYPES = frozenset({PropertyType.TEXT, PropertyType.INTEGER, PropertyType.CHOICE})


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to be: its state's id, its data as they are stored (`p<property id>`), its outside id if asked for."""

    state_id: int
    data: dict[str, object]
    outside_id: object = None


_Meaning = Callable[[str], object]
"""From a cell that is not empty to the JSON value that it means."""


class Importing:
    """How the rows of one file become records of one dataset.

    Args:
        dataset: where they go.
        state_column: the column that names each record's state.
        default_state: the state of rows that name none.
        id_column: the single-valued text, integer or choice property that holds the outside id.

    Raises:
        InvalidInput: at `state_column`, `default_state` or `id_column`.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        state_column: str | None = None,
        default_state: str | None = None,
        id_column: str | None = None,
    ) -> None:
        flaws = list(_option_flaws(dataset, state_column, default_state, id_column))
        if flaws:
            raise InvalidInput(flaws)
        self.dataset = dataset
        self.id_property = None if id_column is None else dataset.properties_by_name[id_column]
        self._state_column = state_column
        self._default_state = None if default_state is None else dataset.states_by_name[default_state].id

    def check_columns(self, columns: Sequence[str], *, whole: bool = True) -> None:
        """Holds the columns of a file against the dataset.

        columns: their names; whole: whether these are all that a row may have, so that one can be missed.
        Raises InvalidInput with every flaw.
        """
        flaws = [
            Flaw(path_label(name) or "(empty)", "stands twice" if name in columns[:place] else _UNKNOWN)
            for place, name in enumerate(columns)
            if name in columns[:place] or not self._knows(name)
        ]
        wanted = [self._state_column, self.id_property.name if self.id_property else None] if whole else []
        flaws += [Flaw(name, "the file has no such column") for name in wanted if name and name not in columns]
        if flaws:
            raise InvalidInput(flaws)

    def cells(self, columns: Sequence[str]) -> Callable[[Sequence[str]], Draft]:
        """How a row of a CSV file with these columns is read.

        Returns a function from the row's cells to a draft; it raises InvalidInput with every flaw, at the columns.
        """
        readers = [None if name == self._state_column else self._reader(name) for name in columns]

        def read(row: Sequence[str]) -> Draft:
            if len(row) != len(readers):
                raise InvalidInput.at("", wrong_width(len(row), len(readers)))
            flaws: list[Flaw] = []
            state: object = None
            data: dict[str, object] = {}
            for reader, text in zip(readers, row, strict=True):
                if reader is None:
                    state = text or None
                elif text:
                    try:
                        key, value = reader(text)
                    except InvalidInput as invalid:
                        flaws += invalid.flaws
                        continue
                    if value is not None:
                        data[key] = value
            return self._draft(state, data, flaws)

        return read

    def members(self, row: object) -> Draft:
        """Read a row that is a JSON value.

        Raises InvalidInput with every flaw, at the members.
        """
        if not isinstance(row, dict):
            raise InvalidInput.at("", "must be an object")
        flaws: list[Flaw] = []
        data: dict[str, object] = {}
        for name, given in row.items():
            if name == self._state_column:
                continue
            prop = self.dataset.properties_by_name.get(name)
            if prop is None:
                flaws.append(Flaw(path_label(name), _UNKNOWN))
                continue
            try:
                value = store_value(prop, given, name)
            except InvalidInput as invalid:
                flaws += invalid.flaws
                continue
            if value is not None:
                data[f"p{prop.id}"] = value
        return self._draft(None if self._state_column is None else row.get(self._state_column), data, flaws)

    def _draft(self, state: object, data: dict[str, object], flaws: list[Flaw]) -> Draft:
        state_id = self._state(state, flaws)
        outside_id = None
        if self.id_property is not None:
            outside_id = data.get(f"p{self.id_property.id}")
            if outside_id is None and not flaws:
                flaws.append(Flaw(self.id_property.name, "must be given: rows are told apart by it"))
        if flaws:
            raise InvalidInput(flaws)
        return Draft(state_id, data, outside_id)

    def _state(self, name: object, flaws: list[Flaw]) -> int:
        where = self._state_column or "state"
        if name is None and self._default_state is not None:
            return self._default_state
        state = self.dataset.states_by_name.get(name) if isinstance(name, str) else None
        if state is None:
            flaws.append(Flaw(where, "must be given" if name is None else "no such state"))
            return 0
        return state.id

    def _knows(self, name: str) -> bool:
        return name == self._state_column or name in self.dataset.properties_by_name

    def _reader(self, name: str) -> Callable[[str], tuple[str, object]]:
        prop = self.dataset.properties_by_name[name]
        key, meaning = f"p{prop.id}", _CELLS.get(prop.type, _trimmed)

        def read(text: str) -> tuple[str, object]:
            return key, store_value(prop, _list(text, name) if prop.plural else meaning(text), name)

        return read


def wrong_width(cells: int, columns: int) -> str:
    """Of a row of a CSV file: it has another number of cells than the header."""
    return counted("has %(num)d cells, and the header %(columns)d", cells, columns=columns)


def value_of_text(kind: str, text: str) -> object:
    """The JSON value that a text means for one element of a property of a type; what it can't be stays a text."""
    return _CELLS.get(PropertyType(kind), _trimmed)(text)


def references(dataset: Dataset, kind: PropertyType) -> list[Property]:
    """The properties of a dataset that refer to something: `kind` is user or record."""
    return [prop for prop in dataset.properties if prop.type is kind]


def named(draft: Draft, prop: Property) -> set[str]:
    """The ids that a draft names in a property of type user or record."""
    value = draft.data.get(f"p{prop.id}")
    if value is None:
        return set()
    return {str(item) for item in (value if isinstance(value, list) else [value])}


def _option_flaws(
    dataset: Dataset, state_column: str | None, default_state: str | None, id_column: str | None
) -> list[Flaw]:
    flaws = []
    if state_column is None and default_state is None:
        flaws.append(Flaw("state_column", "must be given, or a default state: every record is in a state"))
    if default_state is not None and default_state not in dataset.states_by_name:
        known = ", ".join(dataset.states_by_name)
        flaws.append(Flaw("default_state", said("no such state; there are: %(known)s", known=known)))
    if id_column is not None:
        reason = _id_flaw(dataset.properties_by_name, id_column, state_column)
        flaws += [Flaw("id_column", reason)] if reason else []
    return flaws


def _id_flaw(properties: Mapping[str, Property], name: str, state_column: str | None) -> str | None:
    prop = properties.get(name)
    if prop is None or name == state_column:
        return said("must be a property of the dataset, the one that holds your own id")
    if prop.plural or prop.type not in _ID_TYPES:
        return said("must be a single-valued property of type text, integer or choice")
    return None


# --- cells: from a text to the JSON value that it means ------------------------------------------


def _text(text: str) -> object:
    return text


def _trimmed(text: str) -> object:
    return text.strip()


def _number(text: str) -> object:
    trimmed = text.strip()
    if _WHOLE.fullmatch(trimmed):
        return int(trimmed)
    # What is no number stays a text, and the property says what it wanted.
    return float(trimmed) if _NUMBER.fullmatch(trimmed) else trimmed


def _boolean(text: str) -> object:
    trimmed = text.strip()
    return _BOOLEANS.get(trimmed.lower(), trimmed)


def _list(text: str, path: str) -> object:
    # Lone surrogates stand for bytes that are not UTF-8, and go out as they came in.
    try:
        value = parse(text.encode("utf-8", "surrogateescape"))
    except (Malformed, UnicodeEncodeError):
        value = None
    except InvalidInput as invalid:
        raise invalid.under(path) from None
    if not isinstance(value, list):
        raise InvalidInput.at(path, 'must be a JSON list, such as ["a", "b"]')
    return value


_CELLS: dict[PropertyType, _Meaning] = {
    PropertyType.TEXT: _text,
    PropertyType.INTEGER: _number,
    PropertyType.NUMBER: _number,
    PropertyType.BOOLEAN: _boolean,
}
