"""The cookie by which a browser is known that has logged in before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitting.backend import Backend
from bitting.sessions.devices import device_cookie, known_device
from bitting.store.engine import Store
from tests.support.api import AUDIT_SECRET

EMAIL = "ada@example.com"


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """Its secret is all that is asked of it."""
    opened = Backend(Store(f"sqlite:///{tmp_path}/bitting.db"), audit_secret=AUDIT_SECRET, plans={})
    yield opened
    opened.close()


def test_a_browser_is_known_by_its_cookie(backend: Backend) -> None:
    """For its address, letter case apart."""
    cookie = device_cookie(backend, EMAIL, None)
    name = known_device(backend, EMAIL, cookie)
    assert name is not None
    assert known_device(backend, EMAIL.upper(), cookie) == name
    assert known_device(backend, "bob@example.com", cookie) is None


def test_a_cookie_that_is_good_stays_as_it_is(backend: Backend) -> None:
    """Logging in often makes no new names, each with tries of its own; another address makes another."""
    cookie = device_cookie(backend, EMAIL, None)
    assert device_cookie(backend, EMAIL, cookie) == cookie
    assert device_cookie(backend, "bob@example.com", cookie) != cookie
    assert device_cookie(backend, EMAIL, None) != cookie


def test_a_cookie_holds_a_name_and_a_proof_and_no_address(backend: Backend) -> None:
    """Its shape is frozen: browsers keep it for a year."""
    assert re.fullmatch(r"[0-9A-Za-z]{22}\.[0-9a-f]{64}", device_cookie(backend, EMAIL, None))
    frozen = "c56e6a09af5708998c11ba103a4531c20c7d7aac02da91c9c763a79f8e676693"
    assert known_device(backend, EMAIL, f"{'A' * 22}.{frozen}") == "A" * 22


@pytest.mark.parametrize("change", [str.upper, str.swapcase, lambda text: text[:-1], lambda text: f"{text}0"])
def test_a_cookie_that_was_touched_is_no_good(backend: Backend, change: object) -> None:
    assert callable(change)
    assert known_device(backend, EMAIL, change(device_cookie(backend, EMAIL, None))) is None


@pytest.mark.parametrize("cookie", [None, "", ".", "é" * 87, "\ud800", "x" * 100_000])
def test_what_is_no_cookie_is_no_browser(backend: Backend, cookie: str | None) -> None:
    assert known_device(backend, EMAIL, cookie) is None
