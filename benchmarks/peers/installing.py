"""Real packages of the peers, each with a folder of its own for them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

APPS = Path(__file__).parent / "apps"
DRF = ("django==5.2.19", "djangorestframework==3.18.3", "djangorestframework-api-key==3.1.0", "gunicorn==27.0.1")
KEYSHIELD = (
    "keyshield[core,fastapi]==2.0.1",
    "fastapi==0.165.0",
    "uvicorn==0.54.0",
    "httptools",
    "uvloop",
    "greenlet",
    "aiosqlite",
)
# These install together only in these versions; none of their scripts runs.
BETTER_AUTH = (
    "better-auth@1.7.5",
    "@better-auth/core@1.7.5",
    "@better-auth/api-key@1.7.5",
    "better-call@1.4.0",
    "@better-auth/utils@0.4.2",
)


def python(folder: Path, *packages: str) -> Path:
    """A new virtual environment with these packages; its interpreter."""
    run(folder, sys.executable, "-m", "venv", str(folder / "venv"))
    interpreter = folder / "venv" / "bin" / "python"
    run(folder, str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
    return interpreter


def node(folder: Path, *packages: str) -> str:
    """These packages in a folder's `node_modules`; the path of node."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        raise RuntimeError("node and npm are not installed: Debian's packages nodejs and npm")
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    run(folder, npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", *packages)
    return found


def app(folder: Path, name: str) -> Path:
    """An application of ours that uses a peer, put beside the peer's packages."""
    return Path(shutil.copy(APPS / name, folder))


def run(folder: Path, *command: str) -> None:
    """A command that ends.

    Raises RuntimeError: it failed, and what it said.
    """
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
