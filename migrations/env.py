"""Alembic's environment: one district's schema per run, on the connection it is handed."""

from alembic import context
from sqlalchemy import Connection

from migrations.models import include, metadata

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    include_object=include,
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
