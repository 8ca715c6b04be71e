"""Bitting: API keys that see exactly what their owner lets them see."""

__all__ = ["__version__"]

__version__ = "0.1.0"
