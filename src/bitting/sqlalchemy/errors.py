"""What can't be narrowed."""

from __future__ import annotations


class NotCovered(ValueError):
    """A statement, a column or a database that can't be narrowed with certainty, and so isn't at all; it says what."""
