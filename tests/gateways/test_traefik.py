"""The file for Traefik, which no test can run: it names all that the other two take out and pass on."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bitting.core.forwarded import IDENTITY_HEADERS
from tests.gateways.conftest import EXAMPLES

Names = set[str]


@pytest.fixture
def chain() -> list[dict[str, Any]]:
    """The middlewares, in the order in which a request goes through them."""
    http = yaml.safe_load((EXAMPLES / "traefik.yml").read_text("utf-8"))["http"]
    return [http["middlewares"][name] for name in http["routers"]["api"]["middlewares"]]


def taken_out(middleware: dict[str, Any]) -> Names:
    """Headers that it removes: those that it sets to nothing."""
    set_to: dict[str, str] = middleware["headers"]["customRequestHeaders"]
    assert set(set_to.values()) == {""}
    return set(set_to)


def test_a_clients_word_on_who_it_is_and_what_it_asks_is_taken_out_first(chain: list[dict[str, Any]]) -> None:
    """Before Bitting is asked: none of it reaches the API when Bitting has nothing to say."""
    saying = {"X-Original-Method", "X-Original-URI", "X-Forwarded-Method", "X-Forwarded-Uri"}
    assert taken_out(chain[0]) == {*IDENTITY_HEADERS, *saying, "Connection", "Upgrade"}


def test_bitting_is_asked_about_the_request_as_it_came_and_its_word_passed_on(chain: list[dict[str, Any]]) -> None:
    asked = chain[1]["forwardAuth"]
    assert asked["trustForwardHeader"] is False
    assert asked["authResponseHeaders"] == list(IDENTITY_HEADERS)
    assert "authRequestHeaders" not in asked  # all of them: a second key has to be seen


def test_the_key_and_other_methods_and_paths_stay_behind(chain: list[dict[str, Any]]) -> None:
    """After it."""
    overrides = {"X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"}
    assert taken_out(chain[2]) == {"X-Api-Key", "Authorization", *overrides}
