"""What verification stands on: the change feed, gateways' routes, and what is spent of limits and quotas."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# By code point on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_changes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_changes_xid", "changes", ["xid", "seq"])
    op.create_index("ix_changes_at", "changes", ["at"])
    op.create_table(
        "gateway_routes",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("method", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_routes")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_gateway_routes_workspace_id"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("workspace_id", "method", "path", name=op.f("uq_gateway_routes_workspace_id_method_path")),
    )
    op.create_index("ix_gateway_routes_newest", "gateway_routes", ["workspace_id", "created_at", "id"])
    op.create_table(
        "limit_states",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("full_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "subject", "name", name=op.f("pk_limit_states")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_limit_states_workspace_id"), ondelete="CASCADE"
        ),
    )
    op.create_table(
        "quota_states",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("period", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "key_id", name=op.f("pk_quota_states")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_quota_states_workspace_id"), ondelete="CASCADE"
        ),
    )
