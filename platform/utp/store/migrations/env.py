"""Runs migrations on the connection and in the transaction of `store.upgrade`."""

from __future__ import annotations

from alembic import context

from utp.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite can't alter most of a table in place
    transactional_ddl=True,  # SQLite's too, since each transaction is begun by hand
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
