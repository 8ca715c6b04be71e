"""What a file of records begins with."""

from __future__ import annotations

import io

import pytest

from bitting.records.rows import MAX_COLUMNS, UnreadableFile, csv_header


def test_a_header_of_very_many_columns_is_refused() -> None:
    """A form has a field for each of them: one line of commas must not fill the memory."""
    assert len(csv_header(io.BytesIO(b"a," * (MAX_COLUMNS - 1) + b"a\n"))) == MAX_COLUMNS
    with pytest.raises(UnreadableFile, match="at most"):
        csv_header(io.BytesIO(b"a," * MAX_COLUMNS + b"a\n"))
