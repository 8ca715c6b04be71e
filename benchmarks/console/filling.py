"""A workspace as people have them: some keys, roles, users, records, a dashboard, and two days of usage."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from benchmarks.http.workspace import Workspace
from bitting.backend import Context
from bitting.core.authority import UserType
from bitting.core.ids import new_id
from bitting.core.principal import UserFacts, operator
from bitting.core.usage import Place, Step
from bitting.dashboards.service import create_dashboard
from bitting.datasets.service import create_dataset
from bitting.records.writing import create_record
from bitting.roles.service import create_role
from bitting.store.tenancy import Tenant
from bitting.verify.passwords import hash_password

KEYS, ROLES, USERS, RECORDS, HOURS = 200, 20, 30, 500, 48
EMAIL, PASSWORD = "owner@example.com", "a password of the benchmarks"
_OUTCOMES = (("valid", 50), ("rate_limited", 5), ("insufficient_permission", 2), ("expired_key", 1))


@dataclass(frozen=True)
class Filled:
    """What pages are about one of: a key's id, and a dashboard's."""

    key: str
    dashboard: str


def fill(ours: Workspace) -> Filled:
    """Puts it all into a workspace, and a person who can log in."""
    random, context, backend = Random(1), Context(operator(ours.id)), ours.backend
    names = [{"name": name, "type": type} for name, type in (("total", "integer"), ("region", "text"), ("due", "date"))]
    states = [{"name": "new"}, {"name": "paid"}]
    create_dataset(backend, context, {"name": "orders", "title": "Orders", "states": states, "properties": names})
    grant = {"dataset": "orders", "states": ["new"], "record": ["create"], "view": ["total"], "edit": ["total"]}
    for place in range(ROLES):
        create_role(backend, context, {"name": f"Role {place}", "grants": [grant]})
    for place in range(RECORDS):
        properties = {
            "total": random.randrange(10_000),
            "region": random.choice(("east", "west", "north")),
            "due": f"2026-01-{place % 31 + 1:02}",
        }
        record = {"dataset": "orders", "state": random.choice(("new", "paid")), "properties": properties}
        create_record(backend, context, record)
    keys = [ours.key(access="readOnly", allowedIps=["10.0.0.0/8"])["id"] for _ in range(KEYS)]
    _add_people(ours)
    _add_usage(ours, keys, random)
    return Filled(keys[0], _board(ours, context))


def _board(ours: Workspace, context: Context) -> str:
    kinds = (
        {"kind": "count"},
        {"kind": "sum", "property": "total"},
        {"kind": "breakdown", "groupBy": "region"},
        {"kind": "series", "groupBy": "due", "property": "total"},
        {"kind": "table", "limit": 10},
    )
    widgets = [{"title": f"A {kind['kind']}", "dataset": "orders", **kind} for kind in kinds]
    ident: str = create_dashboard(ours.backend, context, {"name": "Sales", "widgets": widgets}).view["id"]
    return ident


def _add_people(ours: Workspace) -> None:
    hashed = hash_password(PASSWORD)
    with ours.backend.store.write() as connection:
        users = Tenant(connection, ours.id).users
        for place in range(USERS):
            email = f"user-{place}@example.com" if place else EMAIL
            kind = UserType.USER if place else UserType.OWNER
            users.insert(UserFacts(new_id("usr"), email, "A user", kind, None, enabled=True), place + 1, hashed)


def _add_usage(ours: Workspace, keys: list[str], random: Random) -> None:
    now = ours.backend.clock()
    with ours.backend.store.write() as connection:
        usage = Tenant(connection, ours.id).usage
        for hour in range(HOURS):
            at = Step.MINUTE.floor(now - hour * Step.HOUR.micros)
            usage.add(
                {
                    Place(at, key, "verify", outcome, "records:read", "orders" if outcome == "valid" else ""): count
                    for key in random.sample(keys, 40)
                    for outcome, count in _OUTCOMES
                }
            )
