"""Real gateways: nginx and Caddy with the files of examples/gateways, in front of an API that tells what it got."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.support.api import DEADLINE
from tests.support.commands import Cli

EXAMPLES = Path(__file__).parents[2] / "examples" / "gateways"
PLACEHOLDER = "wsp_0000000000000000000000"
# nginx and Bitting are at 127.0.0.1, a trusted proxy; clients come from other addresses of this machine.
CLIENT = "127.0.0.2"
ROUTES = [
    {"method": "*", "path": "/records/{id}", "scopes": ["records:read"]},
    {"method": "POST", "path": "/records", "scopes": ["records:write"]},
    {"method": "GET", "path": "/open", "scopes": []},
    {"method": "GET", "path": "/files/{path...}", "scopes": ["records:read"]},
]


@dataclass
class Upstream:
    """The guarded API: what it got, request by request, and where it listens."""

    address: str
    got: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """An answer: header names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Gateway:
    """A running gateway."""

    port: int
    upstream: Upstream

    def ask(self, path: str, key: str | None = None, method: str = "GET", **more: Any) -> Told:
        """One request over HTTPS, its path byte for byte; `more`: headers, body, and the client's address as `peer`."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        peer = (more.get("peer", CLIENT), 0)
        connection = http.client.HTTPSConnection(
            "localhost", self.port, context=context, source_address=peer, timeout=DEADLINE
        )
        headers = [*more.get("headers", []), *([] if key is None else [("X-Api-Key", key)])]
        body: bytes = more.get("body", b"")
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in [*headers, *([("Content-Length", str(len(body)))] if body else [])]:
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Told(answer.status, found, answer.read())
        finally:
            connection.close()

    def passed(self, path: str, key: str | None = None, method: str = "GET", **more: Any) -> dict[str, Any]:
        """What the API got of a request that it must get."""
        before = len(self.upstream.got)
        told = self.ask(path, key, method, **more)
        assert (told.status, len(self.upstream.got)) == (200, before + 1), told
        return self.upstream.got[-1]

    def refused(self, path: str, key: str | None = None, method: str = "GET", **more: Any) -> Told:
        """The answer to a request that the API must not get."""
        before = len(self.upstream.got)
        told = self.ask(path, key, method, **more)
        assert len(self.upstream.got) == before
        return told


@dataclass(frozen=True)
class Bitting:
    """A real `bitting serve`, and its command line."""

    cli: Cli
    address: str
    workspace: str

    def command(self, *args: str) -> Any:
        """What a command says as JSON."""
        with at_home(self.cli.folder):
            return self.cli(*args, "--json").json

    def key(self, *options: str) -> str:
        """A new key."""
        secret: str = self.command("keys", "create", "--name", "k", *options)["key"]
        return secret


@contextmanager
def at_home(folder: Path) -> Iterator[None]:
    """Within it, settings come from a folder, and from nowhere else; other tests have servers and settings too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in [name for name in os.environ if name.startswith("BITTING_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def bitting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitting]:
    """A server that trusts gateways on this machine, with a table of routes."""
    cli = Cli(tmp_path_factory.mktemp("bitting"))
    cli.write("bitting.toml", 'trusted_proxies = ["127.0.0.1"]\n')
    with ExitStack() as served:
        with at_home(cli.folder):
            made = cli("init", "--name", "Acme", "--owner-email", "o@acme.example", "--json").json
            cli("routes", "apply", cli.write("routes.json", json.dumps(ROUTES)))
            address, _ = served.enter_context(cli.served())
        yield Bitting(cli, address.removeprefix("http://"), made["workspace"]["id"])


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """An API that keeps what it got."""

    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            api.got.append({"method": self.command, "target": self.path, "headers": headers, "body": body})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    api = Upstream(f"127.0.0.1:{server.server_address[1]}")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield api
    server.shutdown()
    server.server_close()
    thread.join()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """The path of a server program; Debian's stand in /usr/sbin, too."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    assert found, f"{name} is missing: tools/setup.sh test installs it"
    return found


def make_certificate(folder: Path) -> None:
    """A certificate for this machine, signed by itself."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)


def filled(name: str, folder: Path, changes: dict[str, str]) -> str:
    """The example file with this machine's addresses; each of them has to be in it."""
    text = (EXAMPLES / name).read_text("utf-8")
    files = {"/etc/ssl/api.example.com.crt": f"{folder}/tls.crt", "/etc/ssl/api.example.com.key": f"{folder}/tls.key"}
    for old, new in (changes | files).items():
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, new)
    return text


NGINX = """\
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {{ }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{example}
}}
"""


def nginx(folder: Path, port: int, changes: dict[str, str]) -> list[str]:
    """The command that starts nginx with the example in a whole configuration of the folder's own."""
    example = filled("nginx.conf", folder, changes | {"listen 443 ssl": f"listen 127.0.0.1:{port} ssl"})
    (folder / "nginx.conf").write_text(NGINX.format(example=example), "utf-8")
    return [program("nginx"), "-e", "stderr", "-p", str(folder), "-c", "nginx.conf"]


def caddy(folder: Path, port: int, changes: dict[str, str]) -> list[str]:
    """The command that starts Caddy with the example, on loopback, without its admin door and its own folders."""
    site = f"https://localhost:{port} {{\n\tbind 127.0.0.1"
    example = filled("Caddyfile", folder, changes | {"https://api.example.com {": site})
    here = (
        f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tstorage file_system {folder}\n}}\n"
    )
    (folder / "Caddyfile").write_text(here + example, "utf-8")
    return [program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


COMMANDS: dict[str, Callable[[Path, int, dict[str, str]], list[str]]] = {"nginx": nginx, "caddy": caddy}
Start = Callable[..., Gateway]


@contextmanager
def running(
    kind: str, folder: Path, bitting: str, upstream: Upstream, workspace: str = PLACEHOLDER
) -> Iterator[Gateway]:
    """A gateway that asks the Bitting at an address; ended afterwards."""
    make_certificate(folder)
    port = free_port()
    changes = {"127.0.0.1:8000": bitting, "127.0.0.1:9000": upstream.address, PLACEHOLDER: workspace}
    command = COMMANDS[kind](folder, port, changes)
    environment = os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            await_port(port, process, log)
            yield Gateway(port, upstream)
        finally:
            process.terminate()
            process.wait(DEADLINE)


def await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Tries until the gateway listens; it must not have ended."""
    while True:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return


@pytest.fixture(params=sorted(COMMANDS))
def kind(request: pytest.FixtureRequest) -> str:
    """Which gateway."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def _gateways(
    tmp_path_factory: pytest.TempPathFactory, bitting: Bitting, upstream: Upstream
) -> Iterator[Callable[[str], Gateway]]:
    started: dict[str, Gateway] = {}
    with ExitStack() as stack:

        def gateway(name: str) -> Gateway:
            if name not in started:
                folder = tmp_path_factory.mktemp(name)
                started[name] = stack.enter_context(running(name, folder, bitting.address, upstream, bitting.workspace))
            return started[name]

        yield gateway


@pytest.fixture
def gateway(kind: str, _gateways: Callable[[str], Gateway]) -> Gateway:
    """Each gateway, in front of the same API and beside the same Bitting."""
    return _gateways(kind)
