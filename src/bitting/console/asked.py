"""One request to the console: who asks, what was typed, and how to answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bitting.backend import Backend, Context
from bitting.console.forms import Entered
from bitting.console.language import LANGUAGES, mark, told
from bitting.console.rendering import render, url
from bitting.console.security import set_choice
from bitting.core.calls import CALLS_BY_NAME, Call
from bitting.core.decisions import Allowed
from bitting.core.errors import enforce
from bitting.core.jsontext import text_flaw
from bitting.core.lifecycle import Transport
from bitting.core.permission import may_call
from bitting.core.principal import Principal, UserFacts
from bitting.core.problems import Flaw, InvalidInput
from bitting.sessions.service import Session
from bitting.settings import Settings

NOTICE_COOKIE, LANGUAGE_COOKIE, THEME_COOKIE = "bitting_notice", "bitting_language", "bitting_theme"
_NOTICE_SECONDS = 60
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the console: the words in its navigation, its first page, and the call that its page makes."""

    name: str
    label: str
    path: str
    call: str


SECTIONS = (
    Section("overview", mark("Overview"), "/", "GET /v1/keys"),
    Section("keys", mark("Keys"), "/keys", "GET /v1/keys"),
    Section("roles", mark("Roles"), "/roles", "GET /v1/roles"),
    Section("datasets", mark("Datasets"), "/datasets", "GET /v1/datasets"),
    Section("records", mark("Records"), "/records", "GET /v1/records"),
    Section("dashboards", mark("Dashboards"), "/dashboards", "GET /v1/dashboards"),
    Section("usage", mark("Usage"), "/usage", "GET /v1/usage"),
    Section("users", mark("Users"), "/users", "POST /v1/users"),  # who may only read themselves has the profile
    Section("workspace", mark("Workspace"), "/workspace", "GET /v1/workspace"),
    Section("audit", mark("Audit trail"), "/audit", "GET /v1/audit"),
)


@dataclass(slots=True)
class Asked:
    """A request; `context` is that of the last call that was made for it."""

    request: Request
    backend: Backend
    settings: Settings
    transport: Transport
    language: str
    section: str = ""
    session: Session | None = None
    entered: Entered = field(default_factory=Entered)
    files: dict[str, UploadFile] = field(default_factory=dict)
    context: Context | None = None

    @property
    def signed(self) -> Session:
        """The session of a page that only who has logged in is shown."""
        assert self.session is not None  # noqa: S101 - routing lets nobody else in
        return self.session

    @property
    def principal(self) -> Principal:
        return self.signed.principal

    @property
    def user(self) -> UserFacts:
        user = self.principal.user
        assert user is not None  # noqa: S101 - a session is always a user's
        return user

    @property
    def workspace_name(self) -> str:
        return self.signed.workspace_name

    @property
    def csrf(self) -> str:
        return self.signed.csrf

    @property
    def path(self) -> str:
        return self.request.url.path

    @property
    def request_id(self) -> str:
        ident: str = self.request.state.request_id
        return ident

    @property
    def address(self) -> str | None:
        return self.transport.address

    @property
    def agent(self) -> str | None:
        return self.request.headers.get("user-agent")

    def calling(self, name: str, *, if_match: str | None = None) -> Context:
        """The context of one call of the API, made for the person who asks.

        name: of the call table, such as `GET /v1/keys`; if_match: the ETag that the page was made from.

        Raises:
            Refused: the person may not make it.
        """
        call: Call = CALLS_BY_NAME[name]
        self.context = Context(self.principal, call, self.request_id, if_match=if_match)
        enforce(may_call(self.principal, call))
        return self.context

    def own(self) -> Context:
        """The context of what everybody may do about themselves."""
        self.context = Context(self.principal, None, self.request_id)
        return self.context

    def may(self, name: str) -> bool:
        """Whether the person may make a call of the API at all: what they can't do isn't offered."""
        return isinstance(may_call(self.principal, CALLS_BY_NAME[name]), Allowed)

    def query(self, name: str) -> str | None:
        """A parameter of the address; None where it isn't there or empty.

        Raises:
            InvalidInput: it holds what no text of ours does.
        """
        given = self.request.query_params.get(name) or None
        flaw = None if given is None else text_flaw(given)
        if flaw is not None:
            raise InvalidInput.at(name, flaw)
        return given

    def say(self, text: str) -> str:
        """A text of ours in the person's language."""
        return told(text, self.language)

    @property
    def base(self) -> str:
        """Where the server is reached from outside, for links and examples: HTTPS where a proxy says so."""
        if self.settings.public_url is not None:
            return self.settings.public_url
        scheme = "https" if self.transport.secure else "http"
        return f"{scheme}://{self.request.url.netloc}"

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page; `entered` is what was typed into its form, unless given."""
        notice = NOTICES.get(self.request.cookies.get(NOTICE_COOKIE, ""))
        values = {"entered": self.entered, **values}
        response = HTMLResponse(render(self.language, template, {**values, **self._frame(notice)}), status)
        response.headers["Cache-Control"] = "no-store"
        if notice is not None:
            response.delete_cookie(NOTICE_COOKIE, path="/console")
        return response

    def again(self, template: str, flaws: Iterable[Flaw], **values: Any) -> Response:
        """The page of a form once more, with what was typed and what is wrong with it."""
        said = [Flaw(flaw.path, self.say(flaw.reason)) for flaw in flaws]
        return self.page(template, 422, **{**values, "entered": self.entered.with_flaws(said)})

    def redirect(self, path: str, notice: str | None = None, **query: Any) -> Response:
        """On to another page, once a form is done; notice: one of NOTICES, said there."""
        response = RedirectResponse(url(path, **query), 303)
        if notice is not None:
            set_choice(response, NOTICE_COOKIE, notice, secure=self.transport.secure, seconds=_NOTICE_SECONDS)
        return response

    def _frame(self, notice: tuple[str, str] | None) -> dict[str, Any]:
        """What every template is given."""
        theme = self.request.cookies.get(THEME_COOKIE, "")
        return {
            "asked": None if self.session is None else self,
            "path": self.path,
            "language": self.language,
            "languages": LANGUAGES,
            "theme": theme if theme in THEMES else "auto",
            "notices": [] if notice is None else [(notice[0], self.say(notice[1]))],
            "sections": [] if self.session is None else self._sections(),
        }

    def _sections(self) -> list[tuple[str, str, str]]:
        return [(one.name, self.say(one.label), url(one.path)) for one in SECTIONS if self.may(one.call)]


NOTICES: Mapping[str, tuple[str, str]] = {
    "key-disabled": ("good", mark("The key is disabled: every call with it is refused now.")),
    "key-enabled": ("good", mark("The key works again.")),
    "key-revoked": ("good", mark("The key is revoked, for good.")),
    "key-changed": ("good", mark("The key is changed.")),
    "logged-out": ("good", mark("You are logged out.")),
    "logged-out-everywhere": ("good", mark("You are logged out everywhere.")),
    "session-ended": ("good", mark("That session has ended.")),
    "password-changed": ("good", mark("Your password is changed, and all your other sessions have ended.")),
    "profile-changed": ("good", mark("Your profile is changed.")),
    "role-created": ("good", mark("The role is created.")),
    "role-changed": ("good", mark("The role is changed. It holds from the next request on.")),
    "role-deleted": ("good", mark("The role is deleted.")),
    "dataset-created": ("good", mark("The dataset is created.")),
    "dataset-changed": ("good", mark("The dataset is changed.")),
    "dataset-deleted": ("good", mark("The dataset is deleted, with all its records.")),
    "record-created": ("good", mark("The record is created.")),
    "record-changed": ("good", mark("The record is changed.")),
    "record-archived": ("good", mark("The record is archived: lists leave it out.")),
    "record-deleted": ("good", mark("The record is deleted.")),
    "user-created": ("good", mark("The user is created.")),
    "user-invited": ("good", mark("The user is created, and an invitation is on its way by mail.")),
    "link-mailed": ("good", mark("The link is on its way by mail.")),
    "mail-failed": ("warn", mark("The mail server didn't take the mail: nobody has the link. Make another one later.")),
    "mail-limit": ("warn", mark("So many links were mailed within an hour that none was this time. Try again later.")),
    "user-changed": ("good", mark("The user is changed.")),
    "user-disabled": ("good", mark("The user is disabled: their sessions and personal keys are refused now.")),
    "user-enabled": ("good", mark("The user is enabled again.")),
    "user-deleted": ("good", mark("The user is deleted, and their personal keys are revoked.")),
    "workspace-changed": ("good", mark("The workspace is changed.")),
    "resources-changed": ("good", mark("The resources are declared.")),
    "route-created": ("good", mark("The route is created.")),
    "route-deleted": ("good", mark("The route is deleted: requests that no other one matches are refused now.")),
    "workspace-deleted": ("good", mark("The workspace is deleted, with all that was in it.")),
    "dashboard-created": ("good", mark("The dashboard is created.")),
    "dashboard-changed": ("good", mark("The dashboard is changed.")),
    "dashboard-deleted": ("good", mark("The dashboard is deleted.")),
}
"""What may be said on the page after a form; in a cookie stands the name alone: nobody can have us say other words."""


def files_of(form: FormData) -> dict[str, UploadFile]:
    """The files of a form, those that were chosen."""
    return {name: value for name, value in form.multi_items() if isinstance(value, UploadFile) and value.filename}
