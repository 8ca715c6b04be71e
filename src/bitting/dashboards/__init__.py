"""Dashboards: named, with widgets whose data are computed for each reader."""
