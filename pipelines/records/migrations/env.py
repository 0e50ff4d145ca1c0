"""Alembic's door: migrations run on the connection that `database.upgrade` holds."""

from alembic import context

from pipelines.records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
