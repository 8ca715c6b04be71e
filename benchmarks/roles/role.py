"""The roles that are measured, as their authors would write them."""

from __future__ import annotations

from typing import Any

# `total` is indexed, and hidden in new orders. Nothing of a cancelled one is open.
FOUR_GRANTS: list[dict[str, Any]] = [
    {
        "dataset": "orders",
        "states": ["paid"],
        "where": {"total": {"lt": 1000}},
        "view": ["total", "region", "margin"],
    },
    {"dataset": "orders", "states": ["shipped"], "where": {"region": "west"}, "view": "*"},
    {"dataset": "orders", "states": ["new"], "view": ["region", "phone"]},
    {
        "dataset": "orders",
        "states": ["paid", "refunded"],
        "where": {"margin": {"gte": 0}, "region": {"in": ["east", "north"]}},
        "view": ["total", "phone"],
    },
]


def twenty_grants() -> list[dict[str, Any]]:
    """Twenty grants that all differ, spread over four states, each with a condition of its own."""
    views = (["total"], ["total", "region"], ["region", "margin"], ["total", "phone"], ["margin", "phone"])
    states = (["new"], ["paid"], ["shipped"], ["paid", "refunded"])
    regions = ("north", "south", "east", "west", "centre")
    return [
        {
            "dataset": "orders",
            "states": states[place % 4],
            "where": {"total": {"lt": 500 * (place + 1)}, "region": {"in": [regions[place % 5], "lakes"]}},
            "view": views[place % 5],
        }
        for place in range(20)
    ]


# Leaves few orders: one in a hundred, before the role.
SELECTIVE = {"total": {"gt": 19_800}}
