"""Mails: what they say, and that they go over no network in clear text."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from bitting.sessions import mail
from bitting.sessions.mail import Letter, MailError, invitation, reset, resets, send
from bitting.settings import Settings
from tests.support.mail import PATIENCE, mail_server, text_of

LETTER = Letter("Subject", "A text.\n.\nWith a line that is a dot.\n")


def settings(url: str) -> Settings:
    return Settings(smtp_url=url, mail_from="bitting@example.com", public_url="https://keys.example.com")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of a server on loopback, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(["openssl", *made, *names, *files], check=True, capture_output=True)
    return folder


def with_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    return context


def test_a_mail_arrives_as_it_was_written() -> None:
    """Plain text, from the sender that the settings name, and marked as nobody's own words (RFC 3834)."""
    with mail_server() as sink:
        send(settings(sink.url), "ada@example.com", LETTER)
        taken = sink.next()
    assert (taken["From"], taken["To"], taken["Subject"]) == ("bitting@example.com", "ada@example.com", "Subject")
    assert taken["Auto-Submitted"] == "auto-generated"
    assert taken.get_content_type() == "text/plain"
    assert text_of(taken) == LETTER.text


@pytest.mark.parametrize("write", [invitation, reset])
def test_a_letter_says_for_whom_where_and_for_how_long(write: Any) -> None:
    """What others chose stays within its line: names add no lines to what we say."""
    url = "https://keys.example.com/console/link/token"
    letter = write("Ada\n\nhttps://evil.example", "Acme\r\nBcc: x", url)
    assert "Hello Ada https://evil.example," in letter.text.splitlines()
    assert url in letter.text.splitlines()
    assert '"Acme Bcc: x"' in letter.text
    assert "works once" in letter.text
    with mail_server() as sink:
        send(settings(sink.url), "ada@example.com", letter)
        assert sink.next()["Bcc"] is None


def test_starttls_and_log_in_with_a_server_that_asks_for_them(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name and password are what the URL says, decoded; they are sent after TLS alone."""
    trusted = ssl.create_default_context(cafile=certificate / "certificate.pem")
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusted)
    with mail_server(with_tls(certificate)) as sink:
        send(settings(f"smtp://ad%40a:s%2Fecret@127.0.0.1:{sink.port}"), "ada@example.com", LETTER)
        sink.next()
    said = [command.split(" ")[0].upper() for command in sink.commands]
    assert said.index("STARTTLS") < said.index("AUTH") < said.index("DATA")
    sent = next(command for command in sink.commands if command.upper().startswith("AUTH"))
    assert base64.b64decode(sent.split(" ")[-1]) == b"\0ad@a\0s/ecret"


def test_a_server_that_nobody_vouches_for_is_told_nothing(certificate: Path) -> None:
    """Whoever stands between has a certificate, too."""
    with mail_server(with_tls(certificate)) as sink:
        with pytest.raises(MailError):
            send(settings(f"smtp://ada:hunter2@127.0.0.1:{sink.port}"), "ada@example.com", LETTER)
        assert sink.mails.empty()
    assert not [command for command in sink.commands if command.upper().startswith(("AUTH", "MAIL"))]


def test_a_server_elsewhere_without_tls_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """From this machine to itself it will do."""
    monkeypatch.setattr(mail, "_is_local", lambda _host: False)
    with mail_server() as sink:
        with pytest.raises(MailError):
            send(settings(f"smtp://ada:hunter2@127.0.0.1:{sink.port}"), "ada@example.com", LETTER)
        assert sink.mails.empty()
    assert not [command for command in sink.commands if command.upper().startswith(("AUTH", "MAIL"))]


@pytest.mark.parametrize(
    ("host", "local"), [("localhost", True), ("127.0.0.1", True), ("::1", True), ("mail.example.com", False)]
)
def test_this_machine_is_known_by_its_address(host: str, local: bool) -> None:
    """Not by what a name server says of a name."""
    assert mail._is_local(host) == local


def test_one_mail_has_a_link_for_each_workspace() -> None:
    """Of whoever has a place in several; names stay within their lines."""
    links = [("Acme", "https://keys.example.com/1"), ("Other\n\nhttps://evil.example", "https://keys.example.com/2")]
    lines = resets("Ada", links).text.splitlines()
    assert lines[lines.index('"Acme":') + 1] == links[0][1]
    assert lines[lines.index('"Other https://evil.example":') + 1] == links[1][1]
    assert resets("Ada", links[:1]) == reset("Ada", *links[0])


def test_a_server_that_goes_on_and_on_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says a word now and then is never silent; a mail ends all the same."""
    monkeypatch.setattr(mail, "_MOST_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as endless:

        def talk() -> None:
            met, _ = endless.accept()
            with met, suppress(OSError):
                met.sendall(b"220 sink\r\n")
                while True:
                    met.sendall(b"250-and so on\r\n")
                    time.sleep(0.02)

        talking = threading.Thread(target=talk, daemon=True)
        talking.start()
        with pytest.raises(MailError):
            send(settings(f"smtp://127.0.0.1:{endless.getsockname()[1]}"), "ada@example.com", LETTER)
        talking.join(PATIENCE)
        assert not talking.is_alive()


def test_what_goes_wrong_tells_neither_password_nor_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are logged."""
    log = CapturingLogger()
    monkeypatch.setattr(mail, "_log", log)
    with mail_server() as sink:
        sink.refusing = True
        with pytest.raises(MailError) as error:
            send(settings(f"smtp://ada:hunter2@127.0.0.1:{sink.port}"), "ada@example.com", LETTER)
    assert [(*call.args, call.kwargs["code"]) for call in log.calls] == [("mail_not_sent", 451)]
    assert "hunter2" not in f"{error.value} {log.calls}"
    assert "ada@example.com" not in f"{error.value} {log.calls}"
    assert error.value.__cause__ is None
    with pytest.raises(MailError):
        send(settings("smtp://127.0.0.1:1"), "ada@example.com", LETTER)
    with pytest.raises(MailError):
        send(Settings(), "ada@example.com", LETTER)
