"""Groups of records: exact duplicates, near duplicates, threads of mail, and what contains what."""

from alembic import op

from records import tables as t

revision = "0012"
down_revision = "0011"

_TABLES = (t.groupings, t.duplicate_items, t.near_items, t.thread_items)


def upgrade() -> None:
    """Create what an older catalogue lacks; a new one has it already."""
    t.metadata.create_all(op.get_bind(), tables=_TABLES)


def downgrade() -> None:
    """Drop them."""
    t.metadata.drop_all(op.get_bind(), tables=_TABLES)
