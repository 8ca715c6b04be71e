"""The reference pages are drawn from the code, and leave nothing out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitting.core.authority import OWN_SCOPES
from bitting.core.calls import CALLS, Call
from bitting.core.decisions import CODES, Code
from bitting.settings import Settings
from tools.reference import PAGES, api, cli, errors, redrawn, settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    """`make docs` writes it anew."""
    assert (DOCS / "reference" / name).read_text("utf-8") == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_a_drawn_table_is_what_the_code_says(path: Path) -> None:
    """As the reference pages."""
    page = path.read_text("utf-8")
    assert page == redrawn(page), "run `make docs`"


def test_there_is_no_other_reference_page() -> None:
    """One that nothing draws would grow stale."""
    assert {path.name for path in (DOCS / "reference").iterdir()} == {*PAGES}


@pytest.mark.parametrize("code", Code)
def test_every_code_is_explained(code: Code) -> None:
    """Its meaning, its hint, and what to check."""
    assert CODES[code].hint
    assert all(errors.WORDS[code])


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_every_call_is_explained(call: Call) -> None:
    """With its scope, and every parameter that isn't part of the path."""
    said = api.operation(api.openapi(), call)
    assert said["summary"]
    assert call.scope is None or call.scope in OWN_SCOPES
    unexplained = [
        given["name"] for given in said.get("parameters", []) if given["in"] != "path" and not given.get("description")
    ]
    assert not unexplained


def test_every_path_of_the_server_is_in_the_call_table() -> None:
    """So that no call is missing from the page."""
    found = {f"{method.upper()} {path}" for path, methods in api.openapi()["paths"].items() for method in methods}
    assert found == {call.name for call in CALLS}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_explained(name: str) -> None:
    """Its description is its documentation."""
    assert settings.described(Settings.model_fields[name])


COMMANDS = dict(cli.every_command())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_explained(name: str) -> None:
    """What `--help` says is the documentation."""
    assert COMMANDS[name].help
    assert [param.name for param in COMMANDS[name].params if not cli.described(param)] == []
