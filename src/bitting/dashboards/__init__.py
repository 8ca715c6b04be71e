"""Dashboards: named, and to be filled with widgets."""
