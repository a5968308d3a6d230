"""What custodians declared and handed over, with receipts; what became of each path of an export."""

from alembic import op

from records import tables as t

revision = "0009"
down_revision = "0008"

_TABLES = (t.declarations, t.receipts, t.export_paths)


def upgrade() -> None:
    """Create what an older catalogue lacks; a new one has it already."""
    t.metadata.create_all(op.get_bind(), tables=_TABLES)


def downgrade() -> None:
    """Drop them."""
    t.metadata.drop_all(op.get_bind(), tables=_TABLES)
