"""A workspace under attack: everything that is answered about it is heard, and searched for its secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2

from tests.support.api import Api, Caller, Workspace
from tests.support.wire import Answer, logged, raw, rows_of

JSON = (b"Content-Type", b"application/json")
MALFORMED, INVALID = (400, "malformed_body"), (422, "invalid_request")
TOO_LARGE, MEDIA_TYPE = (413, "payload_too_large"), (415, "unsupported_media_type")


@dataclass
class Target:
    """A workspace under attack with its owner's key, and everything that was answered."""

    workspace: Workspace
    heard: list[bytes] = field(default_factory=list)

    @property
    def api(self) -> Api:
        return self.workspace.api

    @property
    def owner(self) -> Caller:
        return self.workspace.owner

    @property
    def key(self) -> tuple[bytes, bytes]:
        """The header with the good key."""
        return (b"X-Api-Key", self.owner.secret.encode())

    def raw(self, target: str | bytes, *headers: tuple[bytes, bytes], method: str = "GET", body: bytes = b"") -> Answer:
        """One request, byte for byte; the answer is never a 500, and tells nothing."""
        path = target.encode() if isinstance(target, str) else target
        answer = raw(self.api.base_url, method, path, headers, body)
        self.heard.append(repr(answer).encode())
        assert 200 <= answer.status < 500, answer
        return answer

    def send(
        self, method: str, path: str, body: bytes, content_type: str | None = "application/json"
    ) -> httpx2.Response:
        """A body as it is."""
        headers = {} if content_type is None else {"Content-Type": content_type}
        return self.owner.call(method, path, headers=headers | {"If-Match": "*"}, content=body)


@contextmanager
def attacked(workspace: Workspace) -> Iterator[Target]:
    """A target; afterwards its owner's secret, and the random part of it, are searched for everywhere."""
    target = Target(workspace)
    secret = workspace.owner.secret

    def hear(response: httpx2.Response) -> None:
        response.read()
        target.heard.append(repr(response.headers).encode() + response.content)
        assert response.status_code < 500, response.text

    client = workspace.api.client
    client.event_hooks = {"response": [hear]}
    try:
        with logged() as log:
            yield target
    finally:
        client.event_hooks = {}
    assert workspace.owner.get("/v1/keys/current").status_code == 200  # the server lives on
    assert_nowhere(secret, b"\n".join(target.heard).decode("utf-8", "replace"), "an answer")
    assert_nowhere(secret, log.getvalue(), "the log")
    assert_nowhere(secret, str(rows_of(workspace.api, workspace.id)), "the database")


def assert_nowhere(secret: str, text: str, where: str) -> None:
    random = secret.rpartition("_")[2][:40]
    assert random not in text, f"the secret is in {where}"
    assert random[4:] not in text, f"the secret is in {where}, but for what is displayed"
