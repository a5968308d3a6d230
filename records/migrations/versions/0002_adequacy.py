"""Rosters, variants, signals and samples: what shows that a search was made with care."""

from alembic import op

from records import tables as t

revision = "0002"
down_revision = "0001"

_TABLES = (
    t.rosters, t.variants, t.variant_answers, t.signals, t.signal_items, t.signal_answers, t.samples,
    t.sample_items, t.sample_answers,
)  # fmt: skip


def upgrade() -> None:
    """Create the tables that a catalogue of the first form lacks; a new one has them already."""
    t.metadata.create_all(op.get_bind(), tables=_TABLES)


def downgrade() -> None:
    """Drop them."""
    t.metadata.drop_all(op.get_bind(), tables=_TABLES)
