"""What the sample workspace is made of, as bodies of the API."""

from __future__ import annotations

from typing import Any

SOURCES = ["website", "referral", "trade fair", "cold call", "partner"]
REGIONS = ["north", "south", "east", "west"]

LEADS: dict[str, Any] = {
    "name": "leads",
    "title": "Leads",
    "states": [
        {"name": "new", "title": "New"},
        {"name": "contacted", "title": "Contacted"},
        {"name": "won", "title": "Won"},
        {"name": "lost", "title": "Lost"},
    ],
    "properties": [
        {"name": "company", "title": "Company", "type": "text"},
        {"name": "contact", "title": "Contact", "type": "text", "required": True},
        {"name": "email", "title": "E-mail", "type": "text", "required": True},
        {"name": "phone", "title": "Phone", "type": "text"},
        {"name": "source", "title": "Source", "type": "choice", "options": SOURCES},
        {"name": "value", "title": "Expected value", "type": "number", "indexed": True},
        {"name": "employees", "title": "Employees", "type": "integer"},
        {"name": "newsletter", "title": "Newsletter", "type": "boolean"},
        {"name": "nextCall", "title": "Next call", "type": "date"},
        {"name": "tags", "title": "Tags", "type": "text", "plural": True},
        {"name": "assignee", "title": "Assigned to", "type": "user"},
        {"name": "notes", "title": "Notes", "type": "text"},
    ],
}

ORDERS: dict[str, Any] = {
    "name": "orders",
    "title": "Orders",
    "states": [
        {"name": "draft", "title": "Draft"},
        {"name": "paid", "title": "Paid"},
        {"name": "shipped", "title": "Shipped"},
        {"name": "refunded", "title": "Refunded"},
    ],
    "properties": [
        {"name": "reference", "title": "Reference", "type": "text", "indexed": True},
        {"name": "customer", "title": "Customer", "type": "text", "required": True},
        {"name": "region", "title": "Region", "type": "choice", "options": REGIONS},
        {"name": "total", "title": "Total", "type": "number", "required": True, "indexed": True},
        {"name": "items", "title": "Items", "type": "integer"},
        {"name": "placedAt", "title": "Placed at", "type": "datetime"},
        {"name": "lead", "title": "Lead", "type": "record", "dataset": "leads"},
        {"name": "notes", "title": "Notes", "type": "text"},
    ],
}

SALES: dict[str, Any] = {
    "name": "Sales, read only",
    "grants": [
        {
            "dataset": "leads",
            "states": ["new", "contacted"],
            "view": ["company", "contact", "source", "value", "nextCall", "tags"],
        },
        {
            "dataset": "orders",
            "states": ["paid", "shipped"],
            "view": ["reference", "customer", "region", "total", "placedAt"],
        },
    ],
}

WEB_FORM: dict[str, Any] = {
    "name": "Web form",
    "grants": [
        {"dataset": "leads", "states": ["new"], "record": ["create"], "edit": ["contact", "email", "phone"]},
    ],
}

PEOPLE: list[dict[str, Any]] = [
    {"email": "ines@example.com", "name": "Ines Halloran", "userType": "administrator"},
    {"email": "marek@example.com", "name": "Marek Solberg"},
    {"email": "yuna@example.com", "name": "Yuna Castellan"},
]

# The role of the sales reports knows all that these name, but for the last.
DASHBOARD: dict[str, Any] = {
    "name": "Sales",
    "widgets": [
        {
            "title": "Open leads",
            "dataset": "leads",
            "kind": "count",
            "filter": {"state": {"in": ["new", "contacted"]}},
        },
        {
            "title": "Orders by region",
            "dataset": "orders",
            "kind": "breakdown",
            "groupBy": "region",
            "property": "total",
        },
        {
            "title": "Orders by month",
            "dataset": "orders",
            "kind": "series",
            "groupBy": "placedAt",
            "step": "month",
            "property": "total",
        },
        {
            "title": "Largest orders",
            "dataset": "orders",
            "kind": "table",
            "fields": ["reference", "customer", "total"],
            "sort": "-total",
            "limit": 5,
        },
        {"title": "Size of a lead", "dataset": "leads", "kind": "average", "property": "employees"},
    ],
}

SALES_KEY: dict[str, Any] = {"name": "Sales reports", "access": "readOnly"}
WEB_FORM_KEY: dict[str, Any] = {
    "name": "Web form",
    "access": "limited",
    "scopes": ["records:write"],
    "rateLimits": [{"name": "burst", "limit": 60, "windowSeconds": 60}],
}
