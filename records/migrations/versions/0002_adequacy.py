"""Rosters, variants, signals and samples: what shows that a search was made with care."""

import sqlalchemy as sa
from alembic import op

from records import tables as t

revision = "0002"
down_revision = "0001"

_TABLES = (
    t.rosters, t.variants, t.variant_answers, t.signals, t.signal_items, t.signal_answers, t.samples,
    t.sample_items, t.sample_answers,
)  # fmt: skip


def upgrade() -> None:
    """Create what a catalogue of the first form lacks; a new one has it already."""
    t.metadata.create_all(op.get_bind(), tables=_TABLES)
    if not any(c["name"] == "imbalance" for c in sa.inspect(op.get_bind()).get_columns("waivers")):
        # Earlier waivers said for nothing in particular what they covered: they cover nothing now.
        op.add_column("waivers", sa.Column("imbalance", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("waivers", "imbalance")
    t.metadata.drop_all(op.get_bind(), tables=_TABLES)
