"""The cookie by which a browser is known that has logged in before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitting.backend import Backend
from bitting.sessions.devices import device_cookie, is_known
from bitting.store.engine import Store
from tests.support.api import AUDIT_SECRET

ADA, BOB = "usr_ada", "usr_bob"


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """Its secret is all that is asked of it."""
    opened = Backend(Store(f"sqlite:///{tmp_path}/bitting.db"), audit_secret=AUDIT_SECRET, plans={})
    yield opened
    opened.close()


def test_a_browser_is_known_by_its_cookie(backend: Backend) -> None:
    """For its user alone."""
    cookie = device_cookie(backend, ADA, None)
    assert is_known(backend, ADA, cookie)
    assert not is_known(backend, BOB, cookie)


def test_a_cookie_that_is_good_stays_as_it_is(backend: Backend) -> None:
    """Logging in often makes no new names; another user makes another."""
    cookie = device_cookie(backend, ADA, None)
    assert device_cookie(backend, ADA, cookie) == cookie
    assert device_cookie(backend, BOB, cookie) != cookie
    assert device_cookie(backend, ADA, None) != cookie


def test_a_cookie_holds_a_name_and_a_proof_and_no_user(backend: Backend) -> None:
    """Its shape is frozen: browsers keep it for a year."""
    assert re.fullmatch(r"[0-9A-Za-z]{22}\.[0-9a-f]{64}", device_cookie(backend, ADA, None))
    frozen = "c607cd3f00f49da2f135a9966ca8ef308f0ec5d627a3389542af5e5c8b1fe02d"
    assert is_known(backend, ADA, f"{'A' * 22}.{frozen}")


@pytest.mark.parametrize("change", [str.upper, str.swapcase, lambda text: text[:-1], lambda text: f"{text}0"])
def test_a_cookie_that_was_touched_is_no_good(backend: Backend, change: object) -> None:
    assert callable(change)
    assert not is_known(backend, ADA, change(device_cookie(backend, ADA, None)))


@pytest.mark.parametrize("cookie", [None, "", ".", "é" * 87, "\ud800", "x" * 100_000])
def test_what_is_no_cookie_is_no_browser(backend: Backend, cookie: str | None) -> None:
    assert not is_known(backend, ADA, cookie)
