"""Keeps counts of what was decided; see `keeping`."""

from bitting.verify.usage.journal import Sizes
from bitting.verify.usage.keeping import FLUSH_SECONDS, Observer, Usage
from bitting.verify.usage.placing import NOTE_SECONDS

__all__ = ["FLUSH_SECONDS", "NOTE_SECONDS", "Observer", "Sizes", "Usage"]
