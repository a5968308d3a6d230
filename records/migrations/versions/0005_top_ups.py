"""Rounds of listing: places that are listed again, and what became of each item."""

import sqlalchemy as sa
from alembic import op

from records import tables as t

revision = "0005"
down_revision = "0004"

_TABLES = (t.top_ups, t.sightings)
_COLUMNS = (
    ("scopes", "first_round", sa.Integer, "0"),
    ("scopes", "round", sa.Integer, "0"),
    ("scopes", "missing_since", sa.Integer, None),
    ("batches", "round", sa.Integer, "0"),
)


def upgrade() -> None:
    """Create what an older catalogue lacks; a new one has it already."""
    t.metadata.create_all(op.get_bind(), tables=_TABLES)
    for table, name, kind, default in _COLUMNS:
        if not any(column["name"] == name for column in sa.inspect(op.get_bind()).get_columns(table)):
            nullable = default is None
            op.add_column(table, sa.Column(name, kind, nullable=nullable, server_default=default))


def downgrade() -> None:
    """Drop them."""
    for table, name, _, _ in reversed(_COLUMNS):
        op.drop_column(table, name)
    t.metadata.drop_all(op.get_bind(), tables=_TABLES)
