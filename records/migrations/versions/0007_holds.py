"""Holds: what is kept where it lies, and litigation holds of the office."""

from alembic import op

from records import tables as t

revision = "0007"
down_revision = "0006"

_TABLES = (t.holds, t.hold_events, t.litigation_holds)


def upgrade() -> None:
    """Create what an older catalogue lacks; a new one has it already."""
    t.metadata.create_all(op.get_bind(), tables=_TABLES)


def downgrade() -> None:
    """Drop them."""
    t.metadata.drop_all(op.get_bind(), tables=_TABLES)
