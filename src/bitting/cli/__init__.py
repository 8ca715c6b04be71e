"""The command line: what operators do, on the database itself. The audit trail says that it was the operator."""

from bitting.cli.root import app

__all__ = ["app"]
