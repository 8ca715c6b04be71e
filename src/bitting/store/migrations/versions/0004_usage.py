"""What is counted of the use of keys."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# By code point on both databases.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
PLACE = ["workspace_id", "step", "at", "key_id", "door", "outcome", "scope", "dataset_id"]


def upgrade() -> None:
    op.create_table(
        "usage_counts",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("door", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*PLACE, name=op.f("pk_usage_counts")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_usage_counts_workspace_id"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_usage_counts_key", "usage_counts", ["workspace_id", "key_id", "step", "at"])
