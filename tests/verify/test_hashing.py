"""How secrets are kept: digests frozen byte for byte, and peppers that come and go without a key being lost."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from sqlalchemy import text

from bitting.verify.hashing import PLAIN, Hasher
from tests.support.api import Caller, Workspace, code_of

KEY = f"bit_{'0' * 40}2YtW8x"
PLAIN_DIGEST = hashlib.sha256(KEY.encode()).digest()
ONE, TWO = b"pepper one of the tests, 32 bytes", b"pepper two of the tests, 32 bytes"


def with_pepper(pepper: bytes) -> bytes:
    """As DESIGN says: HMAC-SHA-256(pepper, SHA-256(key))."""
    return hmac.new(pepper, PLAIN_DIGEST, hashlib.sha256).digest()


def test_without_a_pepper_a_key_is_kept_as_its_sha_256() -> None:
    """Of the whole key, prefix and checksum included."""
    assert Hasher().for_new(KEY) == (PLAIN_DIGEST, PLAIN)
    assert Hasher().candidates(KEY) == {PLAIN_DIGEST: PLAIN}
    assert PLAIN == "sha256"


def test_with_peppers_the_first_is_for_new_keys_and_all_are_for_finding() -> None:
    """A row made before there were any is found as well."""
    hasher = Hasher({"a": ONE, "b": TWO})
    assert hasher.for_new(KEY) == (with_pepper(ONE), "hmac-sha256:a")
    assert hasher.candidates(KEY) == {
        PLAIN_DIGEST: "sha256",
        with_pepper(ONE): "hmac-sha256:a",
        with_pepper(TWO): "hmac-sha256:b",
    }


def test_what_is_kept_is_frozen() -> None:
    """Rows outlive versions."""
    assert with_pepper(ONE).hex() == Hasher({"a": ONE}).for_new(KEY)[0].hex() == FROZEN_PEPPERED
    assert Hasher().for_new(KEY)[0].hex() == FROZEN_PLAIN


FROZEN_PLAIN = "71f74ff21105fb3a864df79b0562065b48e3f22db0ea197cbe56ecef70e940d0"
FROZEN_PEPPERED = "668588b4bac4a8931535c93b0eed3069c8e22396b20631f8b82da7e2029953f0"


def put(monkeypatch: pytest.MonkeyPatch, workspace: Workspace, hasher: Hasher) -> None:
    """Starts the server anew, as it were, with other peppers."""
    backend = workspace.api.backend
    monkeypatch.setattr(backend, "hasher", hasher)
    monkeypatch.setattr(backend.lookup._source, "_hasher", hasher)


def works(caller: Caller) -> bool:
    """Whether a key is known."""
    answer = caller.get("/v1/keys/current")
    assert code_of(answer) in (None, "invalid_key")
    return answer.status_code == 200


def test_peppers_come_and_go_without_a_key_being_lost(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys made without, under the first and under the second all work while those are configured."""
    before = workspace.key()
    put(monkeypatch, workspace, Hasher({"a": ONE}))
    first = workspace.key()
    put(monkeypatch, workspace, Hasher({"b": TWO, "a": ONE}))
    second = workspace.key()
    assert works(before) and works(first) and works(second)
    put(monkeypatch, workspace, Hasher({"b": TWO}))
    assert works(before) and works(second)
    assert not works(first)


def test_a_digest_counts_only_under_the_scheme_that_made_it(workspace: Workspace) -> None:
    """Whoever can write a plain digest into a row of another scheme has gained nothing."""
    caller = workspace.key()
    assert works(caller)
    with workspace.api.backend.store.write() as connection:
        number = "SELECT number FROM keys WHERE id = :key"
        query = text(f"UPDATE key_secrets SET scheme = 'hmac-sha256:a' WHERE key_number = ({number})")
        connection.execute(query, {"key": caller.id})
    assert not works(caller)


def test_no_secret_is_in_the_database(workspace: Workspace) -> None:
    """Only its digest, and of the key itself what may be displayed."""
    caller = workspace.key(environment="test")
    with workspace.api.backend.store.read() as connection:
        keys = connection.execute(text("SELECT * FROM keys WHERE id = :key"), {"key": caller.id}).all()
        query = text("SELECT * FROM key_secrets WHERE key_number = :number")
        rows = connection.execute(query, {"number": keys[0].number}).all()
    assert bytes(rows[0].digest) == hashlib.sha256(caller.secret.encode()).digest()
    assert keys[0].start == caller.secret[: len("bit_test_") + 4]
    kept = repr(rows) + repr(keys)
    assert caller.secret not in kept and caller.secret[len("bit_test_") + 4 :] not in kept
