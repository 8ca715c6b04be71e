"""A server whose log the test reads."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.support.api import Api, Workspace, running_api


@dataclass
class Logged:
    """A server, and what it has written to standard error."""

    api: Api
    workspace: Workspace
    written: io.StringIO

    def lines(self) -> list[dict[str, Any]]:
        """The log, each line one JSON object."""
        return [json.loads(line) for line in self.written.getvalue().splitlines()]

    def clear(self) -> None:
        self.written.seek(0)
        self.written.truncate()


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logged]:
    """A server of the test's own that logs everything; how other servers of the process log is put back afterwards."""
    before = structlog.get_config()
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with running_api(f"sqlite:///{tmp_path}/bitting.db", log_level="info") as api:
        workspace = api.workspace()
        assert workspace.owner.get("/v1/keys/current").status_code == 200
        logs = Logged(api, workspace, written)
        logs.clear()
        yield logs
    structlog.configure(**before)
