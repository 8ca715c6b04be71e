"""Alembic's entry: runs on the connection that it is given (see store/migrate.py)."""

from alembic import context

from bitting.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
