"""SQLite keeps secrets in the order of their digests: a key is found on one way down instead of two."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name != "sqlite":
        return
    op.drop_index(op.f("ix_key_secrets_key_id"), "key_secrets")
    op.rename_table("key_secrets", "old_key_secrets")
    # As it was made, but for the last option.
    op.create_table(
        "key_secrets",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scheme", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_key_secrets")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_key_secrets_workspace_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_key_secrets_key_id"), ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    columns = "digest, scheme, workspace_id, key_id, created_at, expires_at"
    op.execute(f"INSERT INTO key_secrets ({columns}) SELECT {columns} FROM old_key_secrets ORDER BY digest")  # noqa: S608
    op.drop_table("old_key_secrets")
    op.create_index(op.f("ix_key_secrets_key_id"), "key_secrets", ["key_id"], unique=False)
