"""Alembic's entry: the connection is handed in by ``Catalogue.migrate``."""

from alembic import context

from records.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
