"""The sample workspace of `make serve`: datasets, a thousand records, roles and keys to try everything with."""

from bitting.sample.making import NAME, Made, find_sample, make_sample

__all__ = ["NAME", "Made", "find_sample", "make_sample"]
