"""Principals bound by generated roles, and one record of a small dataset that they look at."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from bitting.core.evaluate import Facts
from bitting.core.predicates import Asking
from bitting.core.reach import Reach
from bitting.core.schema import Dataset, Property, PropertyType, State
from bitting.store.records import StoredRecord
from tests.support import grants as ref
from tests.support.conditions import NOWS, USERS, pick, record_id
from tests.support.records import Given
from tests.support.records import record as a_record

TEXT, OWNER, TEAM = (
    Property(1, "text", "", PropertyType.TEXT),
    Property(2, "owner", "", PropertyType.USER),
    Property(3, "team", "", PropertyType.USER, plural=True),
)
STATES, PROPERTIES = (11, 12, 13), (1, 2, 3)
DATASET = Dataset(1, "orders", "", tuple(State(state, f"s{state}", "") for state in STATES), (TEXT, OWNER, TEAM))
GONE = [99]  # ids that are gone stay in roles and match nothing


@dataclass(frozen=True)
class Case:
    """Roles that bind a principal, and one record."""

    bound: tuple[tuple[Given, ...], ...]
    record: StoredRecord
    asking: Asking

    @property
    def reach(self) -> Reach:
        return reach_of(self.bound, self.asking)

    @property
    def facts(self) -> Facts:
        return ref.facts_of(self.record, DATASET, self.asking)

    def opens(self, *what: Any) -> bool:
        """Whether every role opens something of the record."""
        return not self.bound or what in ref.opened_by_all(self.bound, self.record, DATASET, self.asking)

    def cells(self, right: str) -> set[int]:
        return {prop for prop in PROPERTIES if self.opens(right, prop)}


def reach_of(bound: tuple[tuple[Given, ...], ...], asking: Asking) -> Reach:
    roles = [ref.role(number, item, DATASET) for number, item in enumerate(bound)]
    return Reach.of(DATASET, roles, has_user=asking.user_id is not None)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    record = a_record(draw, DATASET, record_id(1))
    words = ref.words_of(DATASET, [record])
    bound = tuple(
        tuple(ref.grant(draw, words, GONE) for _ in range(pick(draw, [1, 2, 3, 0])))
        for _ in range(pick(draw, [1, 1, 2, 2, 0]))
    )
    return Case(bound, record, Asking(pick(draw, [USERS[0], None]), pick(draw, NOWS)))
