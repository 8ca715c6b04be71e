"""What people type into forms, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive

from bitting.api.flaws import flaws_of
from bitting.api.models import Body
from bitting.core.decisions import Code
from bitting.core.errors import BittingError
from bitting.core.jsontext import value_flaws
from bitting.core.problems import Flaw, InvalidInput
from bitting.core.wording import said

MAX_FORM_BYTES = 1_048_576
MAX_PUBLIC_BYTES = 32_768
"""What the forms for everybody need: two passwords, each character of which becomes twelve."""
MAX_FIELDS = 5_000
_URLENCODED, _MULTIPART = b"application/x-www-form-urlencoded", b"multipart/form-data"
_FIELDS_BY_FILE = 10
_BYTES_BY_FILE = 65_536
_AT_ONCE = 8192  # read in less than a millisecond
_reading = Lock()

Model = TypeVar("Model", bound=Body)


class BadForm(BittingError):
    """A form that no page of ours sends."""

    code = Code.MALFORMED_BODY


class LargeForm(BittingError):
    """A form with too much in it."""

    code = Code.PAYLOAD_TOO_LARGE


class Entered:
    """The fields of a form as they were typed, each a list of texts, and the flaws that were found in them.

    values: field -> what was typed; flaws: what is wrong, by the field's name or a dotted path below it.
    """

    def __init__(self, values: Mapping[str, list[str]] | None = None, flaws: Iterable[Flaw] = ()) -> None:
        self._values = dict(values or {})
        self.flaws = tuple(flaws)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def one(self, name: str, default: str = "") -> str:
        """What stands in a field."""
        values = self._values.get(name)
        return values[0] if values else default

    def all(self, name: str) -> list[str]:
        """All that was chosen of a field that may be there many times."""
        return self._values.get(name, [])

    def names(self, prefix: str) -> list[str]:
        """The names of the fields that begin so."""
        return [name for name in self._values if name.startswith(prefix)]

    def lines(self, name: str) -> list[str]:
        """The lines of a text, or its parts between commas, without those that are empty."""
        return [part.strip() for part in self.one(name).replace(",", "\n").splitlines() if part.strip()]

    def error(self, name: str) -> str | None:
        """What is wrong with a field: the reasons of all flaws at its path or below."""
        reasons = [flaw.reason for flaw in self.flaws if flaw.path == name or flaw.path.startswith(f"{name}.")]
        return "; ".join(dict.fromkeys(reasons)) or None

    def with_flaws(self, flaws: Iterable[Flaw]) -> Entered:
        """The same, with what is wrong with it."""
        return Entered(self._values, flaws)


def checked(model: type[Model], given: Mapping[str, Any]) -> dict[str, Any]:
    """Holds what was entered against the body of the API's call.

    Raises:
        InvalidInput: with every flaw, as the API would name it.
    """
    flaws = list(value_flaws(dict(given)))
    if flaws:
        raise InvalidInput(flaws)
    try:
        return model.model_validate(given).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise InvalidInput(flaws_of(error.errors())) from None


def number_in(entered: Entered, name: str) -> int | str | None:
    """A whole number, None where nothing was typed, and the text itself where it is no number: `checked` says so."""
    text = entered.one(name).strip()
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        return text


async def read_form(request: Request, most: int = MAX_FORM_BYTES, file: int = 0) -> FormData:
    """The form that a page sent; an empty one where the body is of a kind that no page of ours sends there.

    Args:
        request: with the form as its body.
        most: bytes that a form without a file may have.
        file: bytes that the file of a form may have; 0: it has none. A form with a file comes in parts, and the file
            is kept on disk while it is large: all else that comes along is small.

    Raises:
        BadForm, LargeForm: it can't be read, or has more bytes than that.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    _check_charset(options)
    bounded = Request(request.scope, _bounded(request.receive, file + _BYTES_BY_FILE if file else most))
    if kind != (_MULTIPART if file else _URLENCODED):
        return FormData()
    try:
        return await (_read_parts(bounded) if file else _read_fields(bounded))
    except (MultiPartException, ValueError):
        raise BadForm(said("The form can't be read.")) from None


def _bounded(receive: Receive, most: int) -> Receive:
    """The same body, which ends with an error once it is too large."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise LargeForm(said("A form has at most %(most)d bytes.", most=most))
        return message

    return bounded


async def _read_parts(request: Request) -> FormData:
    return await request.form(max_files=1, max_fields=_FIELDS_BY_FILE, max_part_size=_BYTES_BY_FILE)


async def _read_fields(request: Request) -> FormData:
    """Away from the event loop unless it is soon done: what is written as %41 takes a hundred times its bytes."""
    body = await request.body()
    return _fields(body) if len(body) <= _AT_ONCE else await run_in_threadpool(_large_fields, body)


def _large_fields(body: bytes) -> FormData:
    with _reading:  # one after another: memory for a single one is enough
        return _fields(body)


def _fields(body: bytes) -> FormData:
    pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    return FormData([(name, value) for name, value in pairs])


def _check_charset(options: Mapping[bytes, bytes]) -> None:
    """Pages of ours send UTF-8: a decoder that a stranger names may take quadratic time, or make what is no text.

    Raises:
        BadForm: another is named.
    """
    charset = options.get(b"charset", b"utf-8")
    if charset.strip().lower() not in (b"utf-8", b"utf8"):
        raise BadForm(said("A form is sent in UTF-8."))


def texts_of(form: FormData) -> dict[str, list[str]]:
    """The fields that are texts; line ends as people mean them (browsers send two characters for each)."""
    values: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            values.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return values
