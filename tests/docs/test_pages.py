"""Our pages hang together, and hold nothing that belongs to one machine or one registry."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tools.reference.markdown import anchor

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_HOST = re.compile(r"https?://([A-Za-z0-9.-]+)")
# Hosts that a page may name: loopback, names set aside for examples (RFC 2606), and standards that we follow.
_NAMED = re.compile(r"127\.0\.0\.1|localhost|([a-z]+\.)*example(\.[a-z]+)?|semver\.org|www\.apache\.org|x")
# Folders that only one machine has.
_FOREIGN = re.compile(r"(?<![\w.])/(?:home|root|work|Users|tmp|opt)/")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is here, and to a heading that it has."""
    text = _FENCED.sub("", page.read_text("utf-8"))
    broken = [link for link in _LINK.findall(text) if not link.startswith("https://") and not _leads(page, link)]
    assert not broken


def _leads(page: Path, link: str) -> bool:
    path, _, fragment = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    if not fragment:
        return True
    headings = _HEADING.findall(_FENCED.sub("", target.read_text("utf-8")))
    return f"#{fragment}" in {anchor(re.sub(r"[`*]", "", heading)) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_foreign_host_and_no_path_of_a_machine(page: Path) -> None:
    """Readers install from where they like, and their folders are others."""
    text = page.read_text("utf-8")
    assert not _FOREIGN.search(text)
    assert [host for host in _HOST.findall(text) if not _NAMED.fullmatch(host)] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_headings_of_a_page_differ(page: Path) -> None:
    """Or a link to one would lead to another."""
    if page.name == "CHANGELOG.md":
        return
    headings = [anchor(heading) for heading in _HEADING.findall(_FENCED.sub("", page.read_text("utf-8")))]
    assert sorted(headings) == sorted(set(headings))


def test_every_page_can_be_reached_from_the_readme() -> None:
    """A page that nothing leads to isn't read."""
    readme = ROOT / "README.md"
    reached, open_pages = {readme}, [readme]
    while open_pages:
        page = open_pages.pop()
        for link in _LINK.findall(_FENCED.sub("", page.read_text("utf-8"))):
            target = (page.parent / link.partition("#")[0]).resolve()
            found = [*target.glob("*.md")] if target.is_dir() else [target]
            fresh = [one for one in found if one.suffix == ".md" and one.exists() and one not in reached]
            reached.update(fresh)
            open_pages += fresh
    assert not {*PAGES} - reached
