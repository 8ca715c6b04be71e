"""The hot calls in front of the framework, as plain ASGI: `POST /v1/keys/verify` and `GET /v1/authorize/{workspaceId}`.

They answer what is usual, out of memory wherever that can be, and decide by the same functions as everything else.
Whatever is not usual (a flaw in the request, a dataset, a header that came twice, a body in pieces) goes on to the
framework as it came, so that there is one place for each answer to be made.
"""

from bitting.server.hot.path import HotPath
from bitting.server.hot.verifying import PATH

__all__ = ["PATH", "HotPath"]
