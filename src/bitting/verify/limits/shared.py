"""The servers that processes share limits through, and what happens when one is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, TypeVar, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from bitting.core.errors import Unavailable
from bitting.verify.limits.scripts import Script

Answer = TypeVar("Answer")

TIMEOUT = 0.25  # seconds that a call waits for the server at most, to connect and again to be answered
PAUSE = 0.5  # seconds after a failure in which nobody tries again


class Lost(Exception):
    """The server can't be asked now."""


class Lifeline:
    """Asks a server, and knows when it is lost.

    Once a question failed, none is asked for a while, and then one at a time: the many that would have waited for
    nothing are answered at once. The server is back when it answers.

    Args:
        pause: seconds between tries.
    """

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._lock = threading.Lock()
        self._lost = self._trying = False
        self._again = 0.0

    @property
    def resting(self) -> bool:
        """Whether the server is lost, and it is too early to try again, or somebody does."""
        return self._lost and (self._trying or monotonic() < self._again)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """The answer.

        Raises:
            Lost: when there is none.
        """
        trying = False
        if self._lost:
            with self._lock:
                if self.resting:
                    raise Lost
                trying = self._trying = self._lost  # the others rest while this one tries, however long it takes
        try:
            answer = question()
        except (RedisError, OSError, Unavailable) as error:
            with self._lock:
                self._lost, self._again = True, monotonic() + self._pause
            raise Lost from error
        finally:
            if trying:
                self._trying = False
        self._lost = False
        return answer


class RedisServer:
    """A Redis or Valkey server.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
    """

    def __init__(self, url: str) -> None:
        # Nothing is sent twice: what failed may have counted. A connection that the server closed while it was idle is
        # made anew before anything is sent, when it is taken from the pool.
        retry = Retry(NoBackoff(), 0)
        self._client = Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=retry)

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[int]) -> list[int]:
        """Runs a script, which is sent first if the server doesn't know it (any more)."""
        given: list[Any] = [*keys, *arguments]
        try:
            answer = self._client.evalsha(script.sha, len(keys), *given)
        except NoScriptError:
            answer = self._client.eval(script.text, len(keys), *given)
        return cast(list[int], answer)

    def close(self) -> None:
        """Closes every connection."""
        self._client.close()
