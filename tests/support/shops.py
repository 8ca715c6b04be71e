"""A shop's database, as somebody else might have made it long ago: to be attached, and never to be touched."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import psycopg

_SQLITE = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT COLLATE NOCASE UNIQUE);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    number VARCHAR(20) NOT NULL UNIQUE,
    status TEXT DEFAULT 'new',
    region TEXT,
    total NUMERIC(10, 2) DEFAULT 0,
    quantity INTEGER,
    rush BOOLEAN NOT NULL DEFAULT 0,
    due DATE,
    placed_at DATETIME,
    stamp INTEGER,
    seller TEXT,
    label TEXT COLLATE NOCASE,
    "net: 100%" REAL,
    photo BLOB,
    meta JSON,
    state TEXT DEFAULT 'x',
    customer_id INTEGER REFERENCES customers (id),
    CHECK (quantity IS NULL OR quantity >= 0)
);
CREATE INDEX orders_region ON orders (region);
CREATE TABLE touched (what TEXT);
CREATE TRIGGER orders_insert AFTER INSERT ON orders BEGIN INSERT INTO touched VALUES ('insert'); END;
CREATE TRIGGER orders_update AFTER UPDATE ON orders BEGIN INSERT INTO touched VALUES ('update'); END;
CREATE TRIGGER orders_delete AFTER DELETE ON orders BEGIN INSERT INTO touched VALUES ('delete'); END;
CREATE VIEW open_orders AS SELECT id, status, total, number || '!' AS shout FROM orders WHERE status = 'new';
CREATE TABLE secrets (id INTEGER PRIMARY KEY, word TEXT);
INSERT INTO secrets VALUES (1, 'swordfish');
INSERT INTO customers VALUES (1, 'Ada', 'Ada@example.com'), (2, 'Bo', NULL);
"""

_POSTGRESQL = """
CREATE SCHEMA crm;
CREATE TYPE crm.order_status AS ENUM ('new', 'paid', 'shipped', 'lost');
CREATE DOMAIN crm.amount AS numeric(10, 2) CHECK (VALUE >= 0);
CREATE COLLATION crm.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE crm.customers (id uuid PRIMARY KEY, name text NOT NULL, email text COLLATE crm.nocase UNIQUE);
CREATE TABLE crm.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number varchar(20) NOT NULL UNIQUE,
    status crm.order_status DEFAULT 'new',
    region text,
    total crm.amount DEFAULT 0,
    quantity int,
    rush boolean NOT NULL DEFAULT false,
    due date,
    placed_at timestamptz,
    local_at timestamp,
    stamp bigint,
    seller text,
    label text COLLATE crm.nocase,
    currency char(3),
    points numeric(8, 0),
    weight real,
    "net: 100%" double precision,
    photo bytea,
    meta jsonb,
    tags text[],
    state text DEFAULT 'x',
    doubled int GENERATED ALWAYS AS (quantity * 2) STORED,
    customer_id uuid REFERENCES crm.customers (id),
    CHECK (quantity IS NULL OR quantity >= 0)
);
CREATE INDEX orders_region ON crm.orders (region) WHERE status <> 'lost';
CREATE TABLE crm.touched (what text);
CREATE FUNCTION crm.touch() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO crm.touched VALUES (TG_OP); RETURN NULL; END';
CREATE TRIGGER orders_touched AFTER INSERT OR UPDATE OR DELETE ON crm.orders
    FOR EACH ROW EXECUTE FUNCTION crm.touch();
CREATE VIEW crm.open_orders AS SELECT id, status, total, number || '!' AS shout FROM crm.orders WHERE status = 'new';
CREATE TABLE crm.secrets (id int PRIMARY KEY, word text);
INSERT INTO crm.secrets VALUES (1, 'swordfish');
INSERT INTO crm.customers VALUES
    ('00000000-0000-4000-8000-000000000001', 'Ada', 'Ada@example.com'),
    ('00000000-0000-4000-8000-000000000002', 'Bo', NULL);
"""

# number, status, region, total, quantity, rush, due, placed_at, seller, label
ORDERS: tuple[tuple[Any, ...], ...] = (
    ("A-1", "new", "west", 10.5, 1, False, "2026-01-31", "2026-01-01 10:00:00", "usr_a", "red"),
    ("A-2", "new", "east", 999.0, 2, True, None, "2026-01-02 10:00:00", "usr_b", "RED"),
    ("A-3", "paid", "west", 1500.0, 3, False, "2026-02-28", "2026-01-03 10:00:00", None, "blue"),
    ("A-4", "paid", "west", 20.0, None, False, "2026-03-01", "2026-01-04 10:00:00", "usr_a", None),
    ("A-5", "shipped", "north", 5.25, 5, True, "2026-03-02", "2026-01-05 10:00:00", "usr_b", "green"),
    ("A-6", "lost", "west", 1.0, 6, False, None, None, None, "grey"),
    ("A-7", None, "west", 2.0, 7, False, None, None, None, "grey"),
)
_COLUMNS = "number, status, region, total, quantity, rush, due, placed_at, seller, label"


class Shop:
    """The database, and what its owner may do with it."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind, self.url = kind, url

    @property
    def orders(self) -> str:
        """The table's name as it is attached."""
        return "orders" if self.kind == "sqlite" else "crm.orders"

    def named(self, table: str) -> str:
        """Another table's name as it is attached."""
        return table if self.kind == "sqlite" else f"crm.{table}"

    @property
    def path(self) -> Path:
        """SQLite's file."""
        return Path(self.url.removeprefix("sqlite:///"))

    def execute(self, statement: str, *values: Any) -> list[Any]:
        """Runs a statement, as its owner."""
        if self.kind == "sqlite":
            connection = sqlite3.connect(self.path)
            with connection:
                rows = connection.execute(statement, values).fetchall()
            connection.close()
            return rows
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as other:
            cursor = other.execute(statement.replace("?", "%s") if values else statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def dump(self) -> object:
        """Everything in it: the file to the byte, or every row and every definition."""
        if self.kind == "sqlite":
            return self.path.read_bytes()
        tables = [row[0] for row in self.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'crm' AND c.relkind IN ('r', 'v') ORDER BY 1"
        )]  # fmt: skip
        rows = {table: self.execute(f"SELECT t::text, to_jsonb(t)::text FROM {table} t ORDER BY 1") for table in tables}
        rows["sequence"] = self.execute("SELECT last_value, is_called FROM crm.orders_id_seq")
        schema = self.execute(
            "SELECT attrelid::regclass::text, attname, atttypid::regtype::text, attnotnull, attnum FROM pg_attribute "
            "WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'crm'::regnamespace) ORDER BY 1, 5"
        )
        triggers = self.execute("SELECT tgname, tgenabled FROM pg_trigger ORDER BY 1")
        return rows, schema, triggers


def make_shop(kind: str, url: str) -> Shop:
    """Makes the shop's database, with its orders."""
    shop = Shop(kind, url)
    if kind == "sqlite":
        connection = sqlite3.connect(shop.path)
        connection.executescript(_SQLITE)
        connection.close()
    else:
        shop.execute(_POSTGRESQL)
    marks = ", ".join("?" * len(ORDERS[0]))
    for row in ORDERS:
        shop.execute(f"INSERT INTO {shop.orders} ({_COLUMNS}) VALUES ({marks})", *row)
    return shop
