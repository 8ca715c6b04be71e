"""The pages, a module for each section."""

from bitting.console.pages import (
    audit,
    dashboards,
    datasets,
    keys,
    login,
    overview,
    profile,
    records,
    roles,
    seeing,
    usage,
    users,
    workspace,
)

PAGES = (
    login.pages,
    profile.pages,
    overview.pages,
    keys.pages,
    roles.pages,
    usage.pages,
    dashboards.pages,
    datasets.pages,
    records.pages,
    seeing.pages,
    users.pages,
    workspace.pages,
    audit.pages,
)
"""All of them, in the order in which their routes are looked at."""
