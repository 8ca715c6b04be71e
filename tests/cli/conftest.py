"""A folder with the command line in it, empty or with a workspace."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.commands import THINGS, Cli


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests gets in."""
    for name in os.environ:
        if name.startswith("BITTING_"):
            monkeypatch.delenv(name)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Cli(tmp_path)


@pytest.fixture(scope="session")
def _acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one workspace, Acme, with a dataset, to be copied."""
    folder = tmp_path_factory.mktemp("acme")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = Cli(folder)
        made("init", "--name", "Acme", "--owner-email", "olga@acme.example", "--json")
        made.write("things.json", json.dumps(THINGS))
        made("datasets", "apply", "things.json")
    return folder


@pytest.fixture
def acme(cli: Cli, _acme: Path) -> Cli:
    """The command line in a folder with the workspace Acme, its owner olga@acme.example and the dataset `things`."""
    shutil.copytree(_acme, cli.folder, dirs_exist_ok=True)
    return cli
