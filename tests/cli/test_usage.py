"""`bitting usage`: what the API tells of the use of keys, as the operator sees it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from bitting.core.tokens import mint
from bitting.core.usage import Step
from bitting.core.values import format_instant
from bitting.store.engine import Store
from bitting.verify.counting import VALID, Door
from bitting.verify.usage import Usage
from tests.support.commands import Cli

EVERYTHING = "keyId,outcome,scope,dataset,door"


def shop_key(acme: Cli) -> str:
    made: str = acme("keys", "create", "--name", "Shop", "--json").json["id"]
    return made


def use(acme: Cli, key: str | None, *outcomes: str, ago: int = 0, scope: str = "records:read") -> None:
    """Counts decisions of some seconds ago, as a server does."""
    workspace = acme("workspaces", "list", "--json").json["items"][0]["id"]
    store = Store(f"sqlite:///{acme.folder}/bitting.db")
    at = time.time_ns() // 1000 - ago * 1_000_000
    usage = Usage(store, lambda: at)
    for outcome in outcomes:
        usage.count((Door.VERIFY, workspace, key, outcome, (scope,), None, None))
    usage.close()
    store.close()


def lines(text: str) -> list[list[str]]:
    """The table's rows, without its head and what stands below it."""
    rows = text.split("\n\n", maxsplit=1)[0].splitlines()[1:]
    return [row.split() for row in rows]


def counts(answer: dict[str, Any]) -> Sequence[tuple[str | None, str, int]]:
    return [(item["keyId"], item["outcome"], item["count"]) for item in answer["items"]]


def test_counts_are_shown_with_the_keys_names_and_their_sum(acme: Cli) -> None:
    """What no key is known of has neither id nor name."""
    key = shop_key(acme)
    use(acme, key, VALID, VALID, "rate_limited")
    use(acme, None, "invalid_key")
    said = acme("usage", "--step", "day", "--from", "1d").out
    today = format_instant(time.time_ns() // 1000)[:10]
    found = {tuple(line[1:]) for line in lines(said) if line[0] <= today}
    assert found == {
        (key, "Shop", VALID, "2"),
        (key, "Shop", "rate_limited", "1"),
        ("–", "–", "invalid_key", "1"),
    }
    assert said.splitlines()[-1].endswith("(UTC): 4")


def test_json_is_what_the_api_answers(acme: Cli) -> None:
    key = shop_key(acme)
    use(acme, key, VALID)
    answer = acme("usage", "--step", "day", "--from", "1d", "--group-by", EVERYTHING, "--json").json
    (item,) = answer["items"]
    about = {"keyId": key, "outcome": VALID, "scope": "records:read", "dataset": None, "door": "verify"}
    assert item == {"at": item["at"], **about, "count": 1}
    assert (answer["step"], answer["partial"], answer["nextCursor"]) == ("day", False, None)


def test_one_key_and_one_outcome_can_be_asked_for(acme: Cli) -> None:
    one, other = shop_key(acme), shop_key(acme)
    use(acme, one, VALID, "rate_limited")
    use(acme, other, VALID)
    days = ("--step", "day", "--from", "1d", "--json")
    assert sorted(counts(acme("usage", "--key", one, *days).json)) == [(one, "rate_limited", 1), (one, VALID, 1)]
    found = counts(acme("usage", "--outcome", VALID, *days).json)
    assert {key for key, outcome, _ in found if outcome == VALID} == {one, other} and len(found) == 2


def test_by_time_alone_a_row_is_a_step(acme: Cli) -> None:
    use(acme, shop_key(acme), VALID, "rate_limited", ago=5 * Step.DAY)
    said = acme("usage", "--step", "day", "--group-by", "").out
    assert said.splitlines()[0].split() == ["From", "(UTC)", "Count"]
    ((_, count),) = lines(said)
    assert count == "2"


@pytest.mark.parametrize(("step", "longest"), [("minute", "2d"), ("minute", "48h"), ("hour", "90d"), ("day", "3660d")])
def test_a_span_may_be_as_long_as_the_step_is_kept(acme: Cli, step: str, longest: str) -> None:
    """Written as how long ago, to the second; what was counted then is shown, and is in the sum of every page."""
    key, long = shop_key(acme), int(longest[:-1]) * (3_600 if longest[-1] == "h" else 86_400)
    use(acme, key, VALID, VALID, "rate_limited", ago=long - 300)
    asked = ("usage", "--step", step, "--from", longest)
    assert sorted(counts(acme(*asked, "--json").json)) == [(key, "rate_limited", 1), (key, VALID, 2)]
    assert "More: --cursor" in (said := acme(*asked, "--limit", "1").out)
    assert said.splitlines()[-2].endswith("(UTC): 3")


def test_pages_follow_each_other_and_each_tells_the_whole_sum(acme: Cli) -> None:
    """Three rows, one a page."""
    use(acme, shop_key(acme), VALID, "rate_limited", "expired_key", "expired_key")
    asked = ["usage", "--step", "day", "--from", "1d", "--limit", "1"]
    seen, cursor = [], list[str]()
    for _ in range(3):
        said = acme(*asked, *cursor).out
        assert "(UTC): 4\n" in said
        seen += [line[3] for line in lines(said)]
        cursor = said.splitlines()[-1].removeprefix("More: ").split()
    assert sorted(seen) == ["expired_key", "rate_limited", VALID]
    assert cursor[0] == "Total", "there is no fourth page"


def test_where_nothing_was_counted_it_says_how_to_look_further(acme: Cli) -> None:
    """What happened two days ago isn't within a day."""
    use(acme, shop_key(acme), VALID, ago=2 * Step.DAY)
    said = acme("usage").out
    assert "Nothing was counted from" in said and "--step day" in said and "--from" in said
    assert lines(acme("usage", "--step", "day").out)


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (("--step", "year"), 2, "--step"),
        (("--limit", "0"), 2, "--limit"),
        (("--from", "999999999w"), 2, "--from"),
        (("--from", "7y"), 2, "--from"),
        (("--from", "7"), 1, "--from: must be a date and time"),
        (("--to", "tomorrow"), 1, "--to: must be a date and time"),
        (("--from", "1h", "--to", "2h"), 1, "--from: must be before 'to'"),
        (("--from", "200d"), 1, "--from: by hour usage is kept for 90 days"),
        (("--group-by", "owner"), 1, "--group-by: some of"),
        (("--key", "key_unknown"), 1, "There is no key 'key_unknown'"),
        (("--cursor", "x"), 1, "--cursor: not a cursor of this list"),
    ],
)
def test_what_is_wrong_names_its_option(acme: Cli, options: tuple[str, ...], code: int, reason: str) -> None:
    """2 for what can't be read, 1 for what the rules refuse; nothing is printed for programs to take."""
    said = acme("usage", *options, "--json", code=code)
    assert reason in said.err
    assert said.out == ""


def test_a_key_given_for_its_id_is_not_repeated(acme: Cli) -> None:
    """It is a secret: the terminal may be on a screen that others see, or its output in a log."""
    secret = mint("bit")
    said = acme("usage", "--key", secret, code=2)
    assert "its id" in said.err
    assert secret not in said.err + said.out
