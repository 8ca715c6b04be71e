"""What an aggregate must come to: a slow reference over the records and cells that a principal sees.

Worlds, roles and filters are those of the oracle of lists (tests/support/records.py), with points in time that lie far
apart, some before 1970. Time is divided by Python's calendar, and sums are fractions: nothing here is arithmetic of the
kind that is checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from bitting.core.schema import Dataset, Property, PropertyType
from bitting.sqlalchemy.aggregates import STEPS, Step
from bitting.store.record_scope import GroupRow, RecordRow
from bitting.store.records import StoredRecord
from tests.support.conditions import Words, pick
from tests.support.records import World, filters

Seen = tuple[StoredRecord | RecordRow, dict[int, Any]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = [PropertyType.DATE, PropertyType.DATETIME]
_MEASURED = [PropertyType.INTEGER, PropertyType.NUMBER]
ROUNDING = Fraction(1, 2**52)
"""What sums of doubles may be off by: this, times how many there are, times the sum of their magnitudes."""

_DAY = 86_400_000_000
_EDGES = [
    "0001-01-01T00:00:00", "0001-12-31T23:59:59", "1969-12-31T23:59:59", "1970-01-01T00:00:00", "1970-01-04T23:59:59",
    "1970-01-05T00:00:00", "1999-12-31T23:59:59", "2000-02-29T12:00:00", "2024-12-29T23:59:59", "2024-12-30T00:00:00",
    "2026-03-01T00:00:00", "9999-12-31T23:59:59",
]  # fmt: skip
INSTANTS = [
    (datetime.fromisoformat(edge).replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) + micros
    for edge in _EDGES
    for micros in (0, 999_999)
]


@dataclass(frozen=True)
class Asked:
    """One aggregate, as it is asked for: fields by name."""

    given: dict[str, Any]
    prop: Property | None
    group: Property | str | None
    step: Step | None
    archived: bool
    limit: int | None


@st.composite
def timed(draw: st.DrawFn, world: World) -> World:
    """A world whose points in time lie far apart."""

    def moved(record: StoredRecord) -> StoredRecord:
        data = dict(record.data)
        for prop in world.dataset_of(record).properties:
            key = f"p{prop.id}"
            if prop.type is PropertyType.DATETIME and not prop.plural and key in data:
                data[key] = pick(draw, INSTANTS)
            if prop.type is PropertyType.DATE and not prop.plural and key in data:
                data[key] = (_EPOCH + timedelta(microseconds=pick(draw, INSTANTS))).date().isoformat()
        created, updated = pick(draw, INSTANTS), pick(draw, INSTANTS)
        return replace(record, data=data, created_at=created, updated_at=updated)

    return replace(world, records=tuple(moved(record) for record in world.records))


@st.composite
def aggregates(draw: st.DrawFn, world: World, dataset: Dataset, known: frozenset[int], count: int) -> list[Asked]:
    """Aggregates that the world's principal may ask for."""
    viewed = [prop for prop in dataset.properties if prop.id in known]
    names = [*(prop.name for prop in viewed), "state", "createdAt"]
    words = Words.of(dataset, world.records, names, has_user=world.user_id is not None)
    return [replace(question(draw, viewed), given=pick(draw, [{}, filters(draw, words)])) for _ in range(count)]


def question(draw: st.DrawFn, viewed: Sequence[Property]) -> Asked:
    """An aggregate that names only these properties, without a filter."""
    single = [prop for prop in viewed if not prop.plural]
    step: Step | None = pick(draw, [None, *STEPS])
    times: list[Property | str] = [*(prop for prop in single if prop.type in _TIMES), "createdAt", "updatedAt"]
    values: list[Property | str | None] = [*single, "state", "author", None]
    group = pick(draw, values) if step is None else pick(draw, times)
    if step == "hour" and isinstance(group, Property) and group.type is PropertyType.DATE:
        step = "day"
    measured = [*(prop for prop in single if prop.type in _MEASURED), None]
    return Asked({}, pick(draw, measured), group, step, draw(st.booleans()), pick(draw, [None, None, 2]))


# --- the reference -------------------------------------------------------------------------------


def aggregated(rows: Sequence[Seen], dataset: Dataset, asked: Asked) -> list[GroupRow]:
    """What must come out, sums as fractions."""
    groups: dict[Any, list[Seen]] = {} if asked.group is not None else {None: []}
    for row in rows:
        groups.setdefault(_value(row, dataset, asked), []).append(row)
    order = [state.id for state in dataset.states]
    filled = sorted((value for value in groups if value is not None),
                    key=order.index if asked.group == "state" else lambda value: value)  # fmt: skip
    if asked.limit is not None and asked.group is not None:
        filled = filled[-asked.limit :] if asked.step else filled[: asked.limit]
    missing = [None] if None in groups and (asked.limit is None or len(filled) < asked.limit or not asked.group) else []
    return [_group(value, groups[value], asked.prop) for value in [*filled, *missing]]


def _group(value: Any, rows: Sequence[Seen], prop: Property | None) -> GroupRow:
    cells = [] if prop is None else [seen[prop.id] for _, seen in rows if seen.get(prop.id) is not None]
    return GroupRow(value, len(rows), len(cells), sum(map(Fraction, cells), Fraction(0)))


def _value(row: Seen, dataset: Dataset, asked: Asked) -> Any:
    record, seen = row
    match asked.group:
        case None:
            return None
        case Property(id=ident):
            value = seen.get(ident)
        case "state":
            value = record.state_id
        case "author":
            value = record.author
        case "createdAt":
            value = record.created_at
        case _:
            value = record.updated_at
    return value if asked.step is None or value is None else begins(value, asked.step)


def begins(value: int | str, step: Step) -> int:
    """The instant at which the step begins that an instant or a date lies in."""
    if isinstance(value, str):
        moment = datetime.fromisoformat(value).replace(tzinfo=UTC)
    else:
        moment = _EPOCH + timedelta(microseconds=value)
    day = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    match step:
        case "hour":
            begin = day + timedelta(hours=moment.hour)
        case "day":
            begin = day
        case "week":
            begin = day - timedelta(days=moment.isoweekday() - 1)
        case "month":
            begin = day.replace(day=1)
        case _:
            begin = day.replace(month=1, day=1)
    return (begin - _EPOCH) // timedelta(microseconds=1)


def magnitude(rows: Sequence[Seen], prop: Property) -> Fraction:
    """The sum of the magnitudes of all visible cells: no group's is more."""
    return sum((abs(Fraction(seen[prop.id])) for _, seen in rows if seen.get(prop.id) is not None), Fraction(0))


def differences(got: Sequence[GroupRow], rows: Sequence[Seen], dataset: Dataset, asked: Asked) -> list[str]:
    """Where the answer is not the reference's."""
    expected = aggregated(rows, dataset, asked)
    if len(got) != len(expected):
        return [f"{len(got)} groups, not {len(expected)}: {got} {expected}"]
    whole = asked.prop is None or asked.prop.type is PropertyType.INTEGER
    slack = Fraction(0) if whole or asked.prop is None else ROUNDING * len(rows) * magnitude(rows, asked.prop)
    flaws = []
    for mine, theirs in zip(got, expected, strict=True):
        same = (repr(mine.value), mine.count, mine.filled) == (repr(theirs.value), theirs.count, theirs.filled)
        exact = not whole or isinstance(mine.total, int)
        if (
            not same
            or not exact
            or mine.total is None
            or abs(Fraction(mine.total) - Fraction(theirs.total or 0)) > slack
        ):
            flaws.append(f"{mine} is not {theirs}")
    return flaws
