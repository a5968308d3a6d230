"""What OCR read of pages that are pictures, and what the items they belong to had before."""

from alembic import op

from records import tables as t

revision = "0013"
down_revision = "0012"

_TABLES = (t.ocr_texts, t.ocr_items)


def upgrade() -> None:
    """Create what an older catalogue lacks; a new one has it already."""
    t.metadata.create_all(op.get_bind(), tables=_TABLES)


def downgrade() -> None:
    """Drop them."""
    t.metadata.drop_all(op.get_bind(), tables=_TABLES)
