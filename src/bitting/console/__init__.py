"""The console: pages for people, on the same services as the API. No rule lives in a page."""

from bitting.console.app import create_console

__all__ = ["create_console"]
