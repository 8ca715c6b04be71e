"""Secrets find their keys by a number: SQLite keeps rows in that order, so there is no way down an index of ids."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_POSTGRESQL = """
ALTER TABLE key_secrets DROP CONSTRAINT fk_key_secrets_key_id;
ALTER TABLE keys ADD COLUMN number BIGSERIAL NOT NULL;
ALTER TABLE keys DROP CONSTRAINT pk_keys;
ALTER TABLE keys ADD CONSTRAINT pk_keys PRIMARY KEY (number), ADD CONSTRAINT uq_keys_id UNIQUE (id);
ALTER TABLE key_secrets ADD COLUMN key_number BIGINT;
UPDATE key_secrets SET key_number = keys.number FROM keys WHERE keys.id = key_secrets.key_id;
ALTER TABLE key_secrets ALTER COLUMN key_number SET NOT NULL, DROP COLUMN key_id;
ALTER TABLE key_secrets ADD CONSTRAINT fk_key_secrets_key_number
    FOREIGN KEY (key_number) REFERENCES keys (number) ON DELETE CASCADE;
CREATE INDEX ix_key_secrets_key_number ON key_secrets (key_number);
"""


def upgrade() -> None:
    if op.get_context().dialect.name != "sqlite":
        op.execute(_POSTGRESQL)
        return
    for index in ("newest", "owner", "role"):
        op.drop_index(f"ix_keys_{index}", "keys")
    op.drop_index("ix_key_secrets_key_id", "key_secrets")
    op.rename_table("keys", "old_keys")
    op.rename_table("key_secrets", "old_key_secrets")
    _keys_of_sqlite()
    _secrets_of_sqlite()
    op.drop_table("old_key_secrets")  # which refers to the other: without it, no key is looked for in it
    op.drop_table("old_keys")


def _keys_of_sqlite() -> None:
    op.create_table(
        "keys",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("start", sa.Text(), nullable=False),
        sa.Column("user_type", sa.Text(), nullable=False),
        sa.Column("role_id", sa.Integer(), nullable=True),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("allowed_ips", sa.JSON(), nullable=False),
        sa.Column("rate_limits", sa.JSON(), nullable=False),
        sa.Column("quota", sa.JSON(), nullable=True),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("lineage", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_keys")),
        sa.UniqueConstraint("id", name=op.f("uq_keys_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_keys_workspace_id"), ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    columns = (
        "id, workspace_id, name, start, user_type, role_id, access, scopes, environment, allowed_ips, rate_limits, "
        "quota, owner_id, lineage, metadata, enabled, revoked_at, expires_at, created_by, created_at, updated_at, "
        "last_used_at"
    )
    op.execute(f"INSERT INTO keys ({columns}) SELECT {columns} FROM old_keys ORDER BY rowid")  # noqa: S608
    op.create_index("ix_keys_newest", "keys", ["workspace_id", "created_at", "id"])
    op.create_index("ix_keys_owner", "keys", ["workspace_id", "owner_id"])
    op.create_index("ix_keys_role", "keys", ["workspace_id", "role_id"])


def _secrets_of_sqlite() -> None:
    op.create_table(
        "key_secrets",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("key_number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_key_secrets")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_key_secrets_workspace_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["key_number"], ["keys.number"], name=op.f("fk_key_secrets_key_number"), ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO key_secrets (digest, scheme, workspace_id, key_number, created_at, expires_at)"
        " SELECT s.digest, s.scheme, s.workspace_id, k.number, s.created_at, s.expires_at"
        " FROM old_key_secrets AS s JOIN keys AS k ON k.id = s.key_id ORDER BY s.digest"
    )
    op.create_index(op.f("ix_key_secrets_key_number"), "key_secrets", ["key_number"])
