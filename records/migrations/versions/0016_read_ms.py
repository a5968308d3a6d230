"""How long the reader of an item was at work."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the column where an older catalogue lacks it; a new one has it already."""
    columns = sa.inspect(op.get_bind()).get_columns("readings")
    if not any(column["name"] == "read_ms" for column in columns):
        op.add_column("readings", sa.Column("read_ms", sa.BigInteger))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("readings", "read_ms")
