"""The one tree of errors that services raise: a code, and public words apart from internal detail.

They know nothing of HTTP; the server maps `code` to a status in one place.
"""

from __future__ import annotations

from bitting.core.decisions import Code, Decision, Denied
from bitting.core.problems import InvalidInput
from bitting.core.wording import said

__all__ = [
    "BittingError",
    "Conflict",
    "IdempotencyMismatch",
    "InvalidInput",
    "NotFound",
    "PreconditionRequired",
    "ReadOnlySource",
    "Refused",
    "SourceUnavailable",
    "Stale",
    "Unavailable",
    "enforce",
]


class BittingError(Exception):
    """An answer other than the one asked for; its text is meant for the caller."""

    code: Code

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Refused(BittingError):
    """A denied decision."""

    def __init__(self, denied: Denied) -> None:
        super().__init__(denied.text)
        self.code = denied.code


class NotFound(BittingError):
    """Not there, or not the caller's to see: the two are one answer."""

    code = Code.NOT_FOUND

    def __init__(self, detail: str = "There is nothing here that this key may see.") -> None:
        super().__init__(detail)


class Conflict(BittingError):
    """What stands does not allow this change."""

    code = Code.CONFLICT


class Stale(BittingError):
    """If-Match names another version."""

    code = Code.STALE

    def __init__(self) -> None:
        super().__init__(said("It has changed since you read it."))


class PreconditionRequired(BittingError):
    """The change needs an If-Match."""

    code = Code.PRECONDITION_REQUIRED

    def __init__(self) -> None:
        super().__init__(said("This change needs an If-Match header with the ETag that you read."))


class IdempotencyMismatch(BittingError):
    """The same Idempotency-Key came with another request."""

    code = Code.IDEMPOTENCY_MISMATCH

    def __init__(self) -> None:
        super().__init__(said("This Idempotency-Key was used for another request within 24 hours."))


class Unavailable(BittingError):
    """The store can't be reached: nothing is decided on a guess."""

    code = Code.UNAVAILABLE


class SourceUnavailable(Unavailable):
    """An attached table can't be read, or no longer fits its dataset.

    `internal` says what is wrong, for the operator alone: it may name what the caller can't see.
    """

    def __init__(self, internal: str) -> None:
        super().__init__(
            said("The table behind this dataset can't be read as it was attached. Ask whoever runs Bitting.")
        )
        self.internal = internal


class ReadOnlySource(BittingError):
    """An attached dataset is read in place: it takes no writes."""

    code = Code.METHOD_NOT_ALLOWED

    def __init__(self) -> None:
        super().__init__(
            said("This dataset is attached: its records are read in place, and written by their own system.")
        )


def enforce(decision: Decision) -> None:
    """Raises the refusal of a denied decision.

    Raises:
        Refused: when the decision is `Denied`.
    """
    if isinstance(decision, Denied):
        raise Refused(decision)
