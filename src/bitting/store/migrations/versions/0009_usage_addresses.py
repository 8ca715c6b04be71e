"""From where keys were used, hour by hour."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# By code point on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "usage_addresses",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=False),
        sa.Column("allowed", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "at", "key_id", "address", name=op.f("pk_usage_addresses")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_usage_addresses_workspace_id"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_usage_addresses_key", "usage_addresses", ["workspace_id", "key_id", "at"])
    op.create_index("ix_usage_addresses_at", "usage_addresses", ["at"])
