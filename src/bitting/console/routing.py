"""The pages' routes: who may come in, whether a form is ours, and what becomes of errors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bitting.api.requests import request_facts
from bitting.backend import Backend
from bitting.console.asked import LANGUAGE_COOKIE, Asked, files_of
from bitting.console.forms import MAX_FORM_BYTES, MAX_PUBLIC_BYTES, Entered, read_form, texts_of
from bitting.console.language import LANGUAGES, mark, preferred
from bitting.console.rendering import PREFIX, url
from bitting.console.security import asked_for_own_host, from_own_page, session_cookie
from bitting.core.decisions import CODES, Code
from bitting.core.errors import BittingError, NotFound, Refused, Stale
from bitting.core.jsontext import text_flaw
from bitting.core.problems import InvalidInput
from bitting.sessions.service import Session, find_session
from bitting.settings import Settings

Handler = Callable[..., Response]
_FOREIGN = mark(
    "This form came from another page, or from one that is too old. Go back, load the page again, and retry."
)
_STALE = mark(
    "Somebody changed it while you had the form open: nothing was saved. Open it again, and make your change once more."
)
_OTHER_HOST = mark(
    "The console answers under its public address alone. Whoever runs Bitting: the proxy before it has to pass on the "
    "Host header as it came, and public_url has to be what people type."
)
_NOT_SECURE = mark("The console needs HTTPS: passwords would cross the network in clear text.")


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a page takes of a form, as `Pages.post` has it."""

    most: int = 0
    file: int = 0
    call: str | None = None


class Pages:
    """The pages of a section; section: its name, marked in the navigation."""

    def __init__(self, section: str = "") -> None:
        self._section = section
        self.routes: list[Route] = []

    def get(self, path: str, *, public: bool = False) -> Callable[[Handler], Handler]:
        """A page to read; public: for everybody, logged in or not."""
        return self._add("GET", path, _Taken(), public=public)

    def post(
        self, path: str, *, public: bool = False, call: str | None = None, file: int = 0
    ) -> Callable[[Handler], Handler]:
        """What a form is sent to.

        Args:
            path: below the console's.
            public: for everybody, logged in or not: the form is small.
            call: of the API, which who sends the form has to be allowed: nothing is read of anybody else.
            file: bytes that the form's file may have, if it has one.
        """
        taken = _Taken(MAX_PUBLIC_BYTES if public else MAX_FORM_BYTES, file, call)
        return self._add("POST", path, taken, public=public)

    def _add(self, method: str, path: str, taken: _Taken, *, public: bool) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            endpoint = _Endpoint(handler, path, self._section, taken, public=public)
            self.routes.append(Route(path, endpoint.answer, methods=[method]))
            return handler

        return add


class _Endpoint:
    """Asks a page's handler, in a thread."""

    def __init__(self, handler: Handler, path: str, section: str, taken: _Taken, *, public: bool) -> None:
        self._handler, self._section, self._taken, self._public = handler, section, taken, public
        self.path = PREFIX + path

    async def answer(self, request: Request) -> Response:
        """The page's answer, or that of what went wrong."""
        request.scope["route"] = self  # its path is what the log names
        asked = asked_by(request, self._section)
        async with AsyncExitStack() as opened:
            try:
                response = await self._answered(request, asked, opened)
            except (BittingError, InvalidInput) as error:
                response = await run_in_threadpool(failed, asked, error)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    async def _answered(self, request: Request, asked: Asked, opened: AsyncExitStack) -> Response:
        if not asked_for_own_host(request, asked.settings.public_url, local=asked.transport.local):
            return _message(asked, 421, mark("Not the console's address"), _OTHER_HOST)
        if not (asked.transport.secure or asked.transport.local):
            return _message(asked, 403, mark("HTTPS is needed"), _NOT_SECURE)
        asked.session = await run_in_threadpool(_session_of, asked)
        if asked.session is not None:
            asked.language = _language(request, asked.session)
        if asked.session is None and not self._public:
            return _to_login(asked)
        if request.method == "POST" and not await self._take_form(asked, opened):
            return _message(asked, 403, mark("Not sent by this console"), _FOREIGN)
        _check_path(request)
        return await run_in_threadpool(self._handler, asked, **request.path_params)

    async def _take_form(self, asked: Asked, opened: AsyncExitStack) -> bool:
        """Reads the form, if it is one that we made for this session; its files are closed once it is answered."""
        if not from_own_page(asked.request, asked.settings.public_url):
            return False
        if self._taken.call is not None:
            asked.calling(self._taken.call)
        form = await read_form(asked.request, self._taken.most, self._taken.file)
        opened.push_async_callback(form.close)
        asked.entered, asked.files = Entered(texts_of(form)), files_of(form)
        # In ASCII, what was typed compares in constant time whatever it is.
        given = asked.entered.one("csrf").encode()
        return self._public or compare_digest(given, asked.csrf.encode())


def asked_by(request: Request, section: str = "") -> Asked:
    """A request of the console, before anybody has been looked for."""
    backend: Backend = request.app.state.backend
    settings: Settings = request.app.state.settings
    transport = request_facts(request, settings.proxies).transport
    return Asked(request, backend, settings, transport, _language(request, None), section)


def failed(asked: Asked, error: Exception) -> Response:
    """The page that says what went wrong, and what to do next."""
    if isinstance(error, InvalidInput):
        rule = CODES[Code.INVALID_REQUEST]
        reasons = dict.fromkeys(asked.say(flaw.reason) for flaw in error.flaws)
        return _message(asked, rule.status, rule.title, "; ".join(reasons))
    assert isinstance(error, BittingError)  # noqa: S101 - nothing else is handed over
    if asked.context is not None:
        asked.backend.log_refusal(asked.context, error)
    if isinstance(error, Refused) and CODES[error.code].status == 401:  # the session has ended meanwhile
        return _to_login(asked)
    rule = CODES[error.code]
    if isinstance(error, Stale):  # a form that is held against a version stands at its own address, or just above
        back = asked.path.removesuffix("/delete").removesuffix("/state")
        return _message(asked, rule.status, rule.title, _STALE, back=back)
    detail = mark("There is nothing here that you may see.") if isinstance(error, NotFound) else error.detail
    return _message(asked, rule.status, rule.title, detail, "" if isinstance(error, NotFound) else rule.hint)


async def unforeseen(request: Request, _error: Exception) -> Response:
    """What nobody foresaw: the page tells nothing but the request's id. The error is raised again, and logged."""
    rule = CODES[Code.INTERNAL]
    return _message(asked_by(request), rule.status, rule.title, "", rule.hint)


async def http_failed(request: Request, error: Exception) -> Response:
    """What the framework refuses: an address where nothing is, a method that a page doesn't take."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    asked = asked_by(request)
    if asked.transport.secure or asked.transport.local:
        try:
            asked.session = await run_in_threadpool(_session_of, asked)
        except BittingError as unknown:  # who asks can't be looked up
            return await run_in_threadpool(failed, asked, unknown)
    if error.status_code == 404:
        return await run_in_threadpool(failed, asked, NotFound())
    code = Code.METHOD_NOT_ALLOWED if error.status_code == 405 else Code.MALFORMED_BODY
    return _message(asked, error.status_code, CODES[code].title, "")


def _message(asked: Asked, status: int, title: str, detail: str, hint: str = "", back: str | None = None) -> Response:
    """A page that says one thing; back: where to go on."""
    said = {"title": asked.say(title), "detail": asked.say(detail), "hint": asked.say(hint), "back": back}
    return asked.page("message.html", status, status_code=status, request_id=asked.request_id, **said)


def _to_login(asked: Asked) -> Response:
    """Log in first; whoever wanted to read a page comes back to it."""
    wanted = asked.path if asked.request.method == "GET" else None
    if wanted is not None and asked.request.url.query:
        wanted += f"?{asked.request.url.query}"
    return RedirectResponse(url("/login", next=None if wanted in (None, "/console/") else wanted), 303)


def _session_of(asked: Asked) -> Session | None:
    token = asked.request.cookies.get(session_cookie(asked.transport.secure))
    return None if not token else find_session(asked.backend, token)


def _language(request: Request, session: Session | None) -> str:
    """What the person chose in the profile, then in this browser, then what the browser asks for."""
    chosen: Any = None if session is None else session.language
    chosen = chosen or request.cookies.get(LANGUAGE_COOKIE)
    return chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))


def _check_path(request: Request) -> None:
    """What no id or name can hold is nobody's.

    Raises:
        NotFound: for NUL characters and lone surrogates in the path.
    """
    if any(text_flaw(str(value)) for value in request.path_params.values()):
        raise NotFound
