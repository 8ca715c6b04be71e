"""`bitting serve` and `bitting migrate`."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from bitting.cli.options import Json
from bitting.cli.output import print_json

if TYPE_CHECKING:
    from bitting.settings import Settings

_BETWEEN_TRIES = 0.05  # seconds
_KEEP_ALIVE = 75  # seconds; longer than proxies keep a connection (60), so that none uses one which we just closed
_APP = "bitting.server.app:create_app"


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="setting `host`")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0: any free one.", show_default="setting `port`")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes.", show_default="setting `workers`")
    ] = None,
) -> None:
    """Serve the API; the database is brought up to date first."""
    from bitting.cli.errors import say
    from bitting.cli.office import INIT, check_ready, has_workspaces, opened_store
    from bitting.cli.settings_file import load_settings
    from bitting.server.logs import configure_logs
    from bitting.server.tracing import check_tracing
    from bitting.store.migrate import migrate

    settings = load_settings()
    check_tracing(settings)
    listening = _bound(settings.host if host is None else host, settings.port if port is None else port)
    with listening, opened_store(settings, new=True) as store:
        migrate(store)
        check_ready(settings, store)
        if not has_workspaces(store):
            say(f"There is no workspace yet, and so nobody to log in. {INIT}")
        store.close()
        _warn_of_attached(settings)
        threading.Thread(target=_announce, args=(listening,), daemon=True).start()
        configure_logs(settings.log_level)
        _run(listening, settings.workers if workers is None else workers)


def _warn_of_attached(settings: Settings) -> None:
    """Says which attached datasets can't be read as they were attached; the others work, and so does the rest."""
    from bitting.backend import Backend
    from bitting.cli.doctor import examined_schemas
    from bitting.cli.errors import say

    backend = Backend.open(settings)
    try:
        for workspace, checked in examined_schemas(backend):
            for finding in checked.findings:
                say(f"Warning: the dataset '{checked.dataset}' of {workspace.name} is closed: {finding.text}.")
    finally:
        backend.close()


def migrate(as_json: Json = False) -> None:
    """Bring the database to the schema of this version; makes a new one where there is none."""
    from bitting.cli.office import opened_store
    from bitting.cli.settings_file import load_settings
    from bitting.store.migrate import migrate as bring_up

    with opened_store(load_settings(), new=True) as store:
        before, after = bring_up(store)
    if as_json:
        print_json({"before": before, "after": after})
    elif before == after:
        print(f"The database is up to date ({after}).")
    else:
        print(f"The database is at {after} now" + ("." if before is None else f"; it was at {before}."))


def _bound(host: str, port: int) -> socket.socket:
    """A socket for the server, bound but not listening yet: until the server is ready, nobody is kept waiting.

    Raises:
        Problem: the address isn't to be had, and why.
    """
    from bitting.cli.errors import Problem

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise Problem(f"'{host}' is no address of this machine: {error.strerror}.") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Problem(f"Can't listen on {host} port {port}: {error.strerror}.", _hint(port)) from None
    listening.set_inheritable(True)
    return listening


def _hint(port: int) -> str:
    other = port + 1 if port < 65535 else 8000
    return f"Is something else running there? Choose another port: --port {other}, or `make serve PORT={other}`."


def _announce(listening: socket.socket) -> None:
    """Says where Bitting answers as soon as it does: till then nobody listens at the bound address."""
    host, port = listening.getsockname()[:2]
    while True:
        try:
            socket.create_connection((host, port), 1).close()
        except OSError:
            time.sleep(_BETWEEN_TRIES)
        else:
            address = _address(listening)
            print(f"Bitting answers at {address} (console at /console/, docs at /docs). Ctrl-C ends it.", flush=True)
            return


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _run(listening: socket.socket, workers: int) -> None:
    import os
    import signal

    from uvicorn import Config

    from bitting.server.metrics import shared_folder
    from bitting.server.workers import DRAIN_SECONDS, DrainingServer, Supervisor

    os.environ["BITTING_WORKERS"] = str(
        workers
    )  # each reads the settings anew, and counts limits by how many there are
    # Who called is worked out from the settings' trusted proxies, and requests are logged by the application.
    config = Config(
        _APP,
        factory=True,
        http="bitting.server.hot.wire:HotHttp",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    if workers > 1:
        with shared_folder():
            began = Supervisor(config, listening, workers).run()
    else:
        server = DrainingServer(config)
        signal.signal(signal.SIGHUP, server.handle_exit)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
        began = server.started
    if not began:
        raise typer.Exit(1)
