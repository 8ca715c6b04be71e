"""Attached datasets: where their records, states and properties stand."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Added as they are: a batch would copy the tables, and with them what refers to them.
    for table in ("datasets", "dataset_states", "dataset_properties"):
        op.add_column(table, sa.Column("source", sa.JSON(none_as_null=True), nullable=True))
