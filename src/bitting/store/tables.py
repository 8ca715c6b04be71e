"""The tables. Only the store may import them; every tenant table has a `workspace_id`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import JSON

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Text that is compared or sorted: by code point on both databases (SQLite's BINARY, PostgreSQL's "C").
CodeText = Text().with_variant(Text(collation="C"), "postgresql")
# A number drawn by the database and never used again.
Serial = BigInteger().with_variant(Integer(), "sqlite")
# Instants are microseconds since 1970-01-01 UTC.
Instant = BigInteger()
# Kept as the text that was written, number by number (PostgreSQL: json, not jsonb, which rewrites numbers).
Json = JSON(none_as_null=True)


def _workspace_id() -> Column[str]:
    return Column("workspace_id", CodeText, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False)


workspaces = Table(
    "workspaces",
    metadata,
    Column("id", CodeText, primary_key=True),
    Column("name", CodeText, nullable=False),
    Column("key_prefix", CodeText, nullable=False),
    Column("plan", CodeText, nullable=False),
    Column("policies", Json, nullable=False),
    Column("last_role_id", Integer, nullable=False, default=0),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", CodeText, primary_key=True),
    _workspace_id(),
    Column("email", CodeText, nullable=False),
    Column("email_key", CodeText, nullable=False),  # case folded: one address, one user
    Column("name", CodeText, nullable=False),
    Column("user_type", CodeText, nullable=False),
    Column("role_id", Integer),
    Column("enabled", Boolean, nullable=False),
    Column("rate_limits", Json, nullable=False),
    Column("password_hash", CodeText),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("language", CodeText),  # of the console, where its user chose one
    UniqueConstraint("workspace_id", "email_key"),
    Index("ix_users_email_key", "email_key"),  # people log in by their address, whichever workspace they are in
)

# Somebody who is logged in. The token is kept by its SHA-256 alone.
sessions = Table(
    "sessions",
    metadata,
    Column("id", CodeText, primary_key=True),
    _workspace_id(),
    Column("user_id", CodeText, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("address", CodeText),
    Column("agent", CodeText),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    UniqueConstraint("digest"),
    Index("ix_sessions_user", "workspace_id", "user_id"),
    Index("ix_sessions_user_id", "user_id"),
)

# One-time tokens, by their SHA-256: invitations, reset links, and the choice between several workspaces, which has a
# row in each. `stood` is a digest of what the user was when the token was made: one who has changed can't be come at.
user_links = Table(
    "user_links",
    metadata,
    Column("digest", LargeBinary(32), nullable=False),
    _workspace_id(),
    Column("user_id", CodeText, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", CodeText, nullable=False),
    Column("stood", LargeBinary(32), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    PrimaryKeyConstraint("digest", "workspace_id"),
    Index("ix_user_links_user", "workspace_id", "user_id"),
    Index("ix_user_links_user_id", "user_id"),
)

roles = Table(
    "roles",
    metadata,
    _workspace_id(),
    Column("id", Integer, nullable=False),
    Column("name", CodeText, nullable=False),
    Column("grants", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    UniqueConstraint("workspace_id", "name"),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Serial, primary_key=True),
    _workspace_id(),
    Column("name", CodeText, nullable=False),
    Column("title", CodeText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("source", Json),  # of an attached dataset: connection, table and columns; never a URL
    UniqueConstraint("workspace_id", "name"),
    sqlite_autoincrement=True,
)

dataset_states = Table(
    "dataset_states",
    metadata,
    Column("id", Serial, primary_key=True),
    _workspace_id(),
    Column("dataset_id", Serial, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", CodeText, nullable=False),
    Column("title", CodeText, nullable=False),
    Column("position", Integer, nullable=False),
    Column("source", Json),  # of an attached dataset: the values of the state's column
    sqlite_autoincrement=True,
)

dataset_properties = Table(
    "dataset_properties",
    metadata,
    Column("id", Serial, primary_key=True),
    _workspace_id(),
    Column("dataset_id", Serial, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", CodeText, nullable=False),
    Column("title", CodeText, nullable=False),
    Column("type", CodeText, nullable=False),
    Column("required", Boolean, nullable=False),
    Column("plural", Boolean, nullable=False),
    Column("indexed", Boolean, nullable=False),
    Column("options", Json, nullable=False),
    Column("links_to", Serial),  # a dataset id; no foreign key: a link outlives its target and then shows nothing
    Column("position", Integer, nullable=False),
    Column("source", Json),  # of an attached dataset: the column
    sqlite_autoincrement=True,
)

# Properties stand in one JSON column, keyed `p<property id>`; an absent key is a missing value, null is never stored.
records = Table(
    "records",
    metadata,
    Column("id", CodeText, primary_key=True),
    _workspace_id(),
    Column("dataset_id", Serial, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("state_id", Serial, nullable=False),
    Column("author", CodeText),
    Column("data", Text().with_variant(JSONB(), "postgresql"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("archived_at", Instant),
    Index("ix_records_newest", "workspace_id", "created_at", "id"),
    Index("ix_records_dataset_newest", "dataset_id", "created_at", "id"),
    Index("ix_records_dataset_id_id", "dataset_id", "id"),  # sorts by id, and the tail of missing values
    Index("ix_records_state", "dataset_id", "state_id", "created_at", "id"),
)

keys = Table(
    "keys",
    metadata,
    Column("number", Serial, primary_key=True),  # by which secrets find it: see there
    Column("id", CodeText, nullable=False, unique=True),
    _workspace_id(),
    Column("name", CodeText, nullable=False),
    Column("start", CodeText, nullable=False),
    Column("user_type", CodeText, nullable=False),
    Column("role_id", Integer),
    Column("access", CodeText, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("environment", CodeText),
    Column("allowed_ips", Json, nullable=False),
    Column("rate_limits", Json, nullable=False),
    Column("quota", Json),
    Column("owner_id", CodeText),  # no foreign key: a key outlives its owner, revoked, with its history
    Column("lineage", Json, nullable=False),  # ids of the keys it descends from, nearest first
    Column("metadata", Json, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("revoked_at", Instant),
    Column("expires_at", Instant),
    Column("created_by", CodeText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Index("ix_keys_newest", "workspace_id", "created_at", "id"),
    Index("ix_keys_owner", "workspace_id", "owner_id"),
    Index("ix_keys_role", "workspace_id", "role_id"),
    sqlite_autoincrement=True,
)

# A credential: what is kept of a secret. `expires_at` is set when a rotation ends it. SQLite keeps the rows themselves
# by their digests, and those of keys by their numbers: with millions of keys, every way down an index counts.
key_secrets = Table(
    "key_secrets",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("scheme", CodeText, nullable=False),
    _workspace_id(),
    Column("key_number", Serial, ForeignKey("keys.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    sqlite_with_rowid=False,
)

declared_resources = Table(
    "declared_resources",
    metadata,
    _workspace_id(),
    Column("name", CodeText, nullable=False),
    Column("actions", Json, nullable=False),
    PrimaryKeyConstraint("workspace_id", "name"),
)

dashboards = Table(
    "dashboards",
    metadata,
    Column("id", CodeText, primary_key=True),
    _workspace_id(),
    Column("name", CodeText, nullable=False),
    Column("widgets", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_dashboards_newest", "workspace_id", "created_at", "id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    _workspace_id(),
    Column("principal", CodeText, nullable=False),
    Column("idempotency_key", CodeText, nullable=False),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("answer", Json, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
    PrimaryKeyConstraint("workspace_id", "principal", "idempotency_key"),
)

# No foreign key: the trail of a deleted workspace stays.
audit_entries = Table(
    "audit_entries",
    metadata,
    Column("workspace_id", CodeText, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", CodeText, nullable=False),
    Column("action", CodeText, nullable=False),
    Column("target", CodeText, nullable=False),
    Column("before", CodeText),  # canonical JSON text: its bytes are under the MAC
    Column("after", CodeText),
    Column("request_id", CodeText),
    Column("mac", LargeBinary(32), nullable=False),
    PrimaryKeyConstraint("workspace_id", "seq"),
)

audit_refusals = Table(
    "audit_refusals",
    metadata,
    Column("id", Serial, primary_key=True),
    _workspace_id(),
    Column("at", Instant, nullable=False),
    Column("actor", CodeText, nullable=False),
    Column("action", CodeText, nullable=False),
    Column("code", CodeText, nullable=False),
    Column("reason", CodeText, nullable=False),
    Column("request_id", CodeText),
    Index("ix_audit_refusals_newest", "workspace_id", "id"),
    sqlite_autoincrement=True,
)

# The change feed: what has to be read anew by whoever keeps something of it. No foreign key: it tells of deletions too.
# `xid` is PostgreSQL's id of the transaction that wrote the row, 0 on SQLite: ids are drawn in another order than they
# are committed.
changes = Table(
    "changes",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("xid", BigInteger, nullable=False),
    Column("workspace_id", CodeText, nullable=False),
    Column("kind", CodeText, nullable=False),
    Column("target", CodeText, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_changes_xid", "xid", "seq"),
    Index("ix_changes_at", "at"),
    sqlite_autoincrement=True,
)

# What a gateway's request needs, by method and pattern of its path.
gateway_routes = Table(
    "gateway_routes",
    metadata,
    Column("id", CodeText, primary_key=True),
    _workspace_id(),
    Column("method", CodeText, nullable=False),
    Column("path", CodeText, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("workspace_id", "method", "path"),
    Index("ix_gateway_routes_newest", "workspace_id", "created_at", "id"),
)

# Of a rate limit that processes share by leases: when it would be full again. `subject` is a key's or user's id.
limit_states = Table(
    "limit_states",
    metadata,
    _workspace_id(),
    Column("subject", CodeText, nullable=False),
    Column("name", CodeText, nullable=False),
    Column("full_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "subject", "name"),
)

# Of a quota: what is spent or leased since the beginning of its period.
quota_states = Table(
    "quota_states",
    metadata,
    _workspace_id(),
    Column("key_id", CodeText, nullable=False),
    Column("period", Instant, nullable=False),
    Column("spent", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "key_id"),
)

# How often what was decided, in one step of time: its seconds stand in `step` (see core/usage). What isn't known is
# empty, or 0: a primary key holds no nulls. No foreign key to keys and datasets: what was counted stays.
usage_counts = Table(
    "usage_counts",
    metadata,
    _workspace_id(),
    Column("step", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("key_id", CodeText, nullable=False),
    Column("door", CodeText, nullable=False),
    Column("outcome", CodeText, nullable=False),
    Column("scope", CodeText, nullable=False),
    Column("dataset_id", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "step", "at", "key_id", "door", "outcome", "scope", "dataset_id"),
    Index("ix_usage_counts_key", "workspace_id", "key_id", "step", "at"),
)

# From where keys were used, in the hour that begins `at`; an empty address: those that weren't told apart.
usage_addresses = Table(
    "usage_addresses",
    metadata,
    _workspace_id(),
    Column("at", Instant, nullable=False),
    Column("key_id", CodeText, nullable=False),
    Column("address", CodeText, nullable=False),
    Column("allowed", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace_id", "at", "key_id", "address"),
    Index("ix_usage_addresses_key", "workspace_id", "key_id", "at"),
    Index("ix_usage_addresses_at", "at"),
)

# What people bring in from files: how far it is, as the next page finds it, at whichever process.
imports = Table(
    "imports",
    metadata,
    Column("id", CodeText, primary_key=True),
    _workspace_id(),
    Column("user_id", CodeText, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("filename", CodeText, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("stage", CodeText, nullable=False),
    Column("progress", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_imports_user", "workspace_id", "user_id"),
    Index("ix_imports_user_id", "user_id"),
)

# The operator's: what one process has counted, of all workspaces, and not yet added to `usage_counts`. `merged` is the
# last number of a writer's that was added; rows up to it count no more (see usage_journal).
usage_writers = Table(
    "usage_writers",
    metadata,
    Column("id", CodeText, primary_key=True),
    Column("merged", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
)

usage_journal = Table(
    "usage_journal",
    metadata,
    Column("writer", CodeText, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("writer", "seq"),
)
