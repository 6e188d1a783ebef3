"""Run by alembic: the connection comes from `deploy.store.store.migrate`, and so does the transaction."""

from alembic import context

from deploy.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
