"""Mails with a link, in plain text, to a server that the settings name; never over the network in clear text."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from threading import Timer
from urllib.parse import unquote, urlsplit

import structlog

from bitting.core.network import is_loopback, parse_address
from bitting.settings import Settings

_log = structlog.get_logger("bitting.mail")

_SECONDS = 10.0
"""How long the server may be silent."""
_MOST_SECONDS = 30.0
"""How long a mail may take."""
_PORTS = {"smtp": 587, "smtps": 465}


class MailError(Exception):
    """A mail was not taken; says nothing of it, for its text may hold a link or a password."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says."""

    subject: str
    text: str


def invitation(name: str, workspace: str, url: str) -> Letter:
    """To somebody who was made a user."""
    text = f"""Hello {_line(name)},

You have been invited to the workspace "{_line(workspace)}".
Choose a password here, within three days:

{url}

The link works once. If you did not expect this, do nothing.
"""
    return Letter("Your invitation to Bitting", text)


def reset(name: str, workspace: str, url: str) -> Letter:
    """To somebody who can't log in any more."""
    text = f"""Hello {_line(name)},

Somebody asked for a new password for the workspace "{_line(workspace)}".
Choose it here, within an hour:

{url}

The link works once. If it was not you who asked, do nothing: your password stays as it is.
"""
    return Letter("A new password for Bitting", text)


def resets(name: str, links: Sequence[tuple[str, str]]) -> Letter:
    """The same to somebody who has a place in several workspaces; links: each workspace's name, and its URL."""
    if len(links) == 1:
        return reset(name, *links[0])
    listed = "\n\n".join(f'"{_line(workspace)}":\n{url}' for workspace, url in links)
    text = f"""Hello {_line(name)},

Somebody asked for a new password. You have a user in {len(links)} workspaces, each with its own password.
Choose it here, within an hour, for the workspace that you mean:

{listed}

Each link works once. If it was not you who asked, do nothing: your passwords stay as they are.
"""
    return Letter("A new password for Bitting", text)


def send(settings: Settings, to: str, letter: Letter) -> None:
    """Hands a mail to the server.

    settings: with smtp_url and mail_from.

    Raises:
        MailError: the server can't be reached, isn't to be trusted, or didn't take it.
    """
    if settings.smtp_url is None or settings.mail_from is None:
        raise MailError("no mail server is set")
    try:
        message = _message(settings.mail_from, to, letter)
        _hand_over(settings.smtp_url.get_secret_value(), message)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        _log.warning("mail_not_sent", error=type(error).__name__, code=getattr(error, "smtp_code", None))
        raise MailError(f"the mail server didn't take a mail: {type(error).__name__}") from None


def _message(sender: str, to: str, letter: Letter) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, letter.subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's holiday reply is wanted
    message.set_content(letter.text)
    return message


def _hand_over(url: str, message: EmailMessage) -> None:
    given = urlsplit(url)
    host, port = given.hostname or "", given.port or _PORTS[given.scheme]
    context = ssl.create_default_context()
    if given.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=_SECONDS)
    with _not_longer(server), server:
        server.ehlo()
        # From this machine to itself a server without TLS will do; from any other, STARTTLS is refused or done.
        if given.scheme == "smtp" and (server.has_extn("starttls") or not _is_local(host)):
            server.starttls(context=context)
        if given.username is not None:
            server.login(unquote(given.username), unquote(given.password or ""))
        server.send_message(message)


@contextmanager
def _not_longer(server: smtplib.SMTP) -> Iterator[None]:
    """Ends the connection when it takes too long: a server that says a little now and then is never silent."""

    def end() -> None:
        if server.sock is not None:
            with suppress(OSError):
                server.sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(_MOST_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_local(host: str) -> bool:
    address = parse_address(host)
    return host == "localhost" or (address is not None and is_loopback(address))


def _line(text: str) -> str:
    """A name within a line: what others chose makes no lines of its own."""
    return " ".join(text.split())
