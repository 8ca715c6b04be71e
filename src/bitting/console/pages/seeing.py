"""The records as a key sees them, for who may read the key."""

from __future__ import annotations

from starlette.responses import Response

from bitting.backend import Context
from bitting.console.asked import Asked
from bitting.console.pages.record_list import Eyes, show_list
from bitting.console.pages.records import show_one
from bitting.console.routing import Pages
from bitting.core.calls import CALLS_BY_NAME
from bitting.core.decisions import Denied
from bitting.keys.seeing import eyes_of

pages = Pages("keys")


@pages.get("/keys/{key_id}/see")
def see_records(asked: Asked, key_id: str) -> Response:
    """A list through a key's eyes."""
    eyes = _eyes(asked, key_id)
    return eyes if isinstance(eyes, Response) else show_list(asked, eyes)


@pages.get("/keys/{key_id}/see/{dataset}/{record_id:path}")
def see_record(asked: Asked, key_id: str, dataset: str, record_id: str) -> Response:
    """One record through them."""
    eyes = _eyes(asked, key_id)
    return eyes if isinstance(eyes, Response) else show_one(asked, eyes, dataset, record_id)


def _eyes(asked: Asked, key_id: str) -> Eyes | Response:
    found = eyes_of(asked.backend, asked.calling("GET /v1/keys/{key_id}/access"), key_id)
    if isinstance(found.may_read, Denied):
        return asked.page("records/blind.html", key=found.key, reason=asked.say(found.may_read.text))

    def calling(name: str) -> Context:
        return Context(found.principal, CALLS_BY_NAME[name], asked.request_id)

    return Eyes(f"/keys/{key_id}/see", calling, found.key, found.partial)
