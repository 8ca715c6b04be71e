"""The language of conditions: read, kept, written with names, and said in words (DESIGN §4)."""

from bitting.core.conditions.keeping import bind, bind_filter, canonical, load_condition, store_condition, unbound
from bitting.core.conditions.reading import Sort, parse_condition, parse_filter, parse_sort
from bitting.core.conditions.words import in_words
from bitting.core.conditions.writing import write_condition

__all__ = [
    "Sort",
    "bind",
    "bind_filter",
    "canonical",
    "in_words",
    "load_condition",
    "parse_condition",
    "parse_filter",
    "parse_sort",
    "store_condition",
    "unbound",
    "write_condition",
]
