"""Questions of what a condition says of records: a generated dataset, some of its records, and who asks."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from bitting.core.predicates import Asking
from bitting.core.schema import RESERVED_NAMES, Dataset
from bitting.store.records import StoredRecord
from tests.support import records as ref
from tests.support.conditions import NOWS, USERS, Words, conditions, everything, matches, pick, record_id


@dataclass(frozen=True, eq=False)
class Question:
    """A user asks about the records of one dataset, as they are stored."""

    dataset: Dataset
    records: tuple[StoredRecord, ...]
    asking: Asking

    @property
    def conditions(self) -> st.SearchStrategy[dict[str, Any]]:
        names = [*self.dataset.properties_by_name, *sorted(RESERVED_NAMES)]
        return conditions(Words.of(self.dataset, self.records, names, has_user=True))

    def reference(self, condition: dict[str, Any]) -> list[bool]:
        """What a condition says of each record, read off its JSON."""
        return [
            matches(condition, record, everything(record, self.dataset), self.dataset, self.asking)
            for record in self.records
        ]


@st.composite
def questions(draw: st.DrawFn) -> Question:
    dataset = ref.dataset(draw, 1, 2)
    records = tuple(ref.record(draw, dataset, record_id(number)) for number in range(1, 4))
    return Question(dataset, records, Asking(USERS[0], pick(draw, NOWS)))
