"""The hash of a family without blind recipients."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column where an older catalogue lacks it; a new one has it already."""
    columns = sa.inspect(op.get_bind()).get_columns("readings")
    if not any(column["name"] == "family_hash_no_bcc" for column in columns):
        op.add_column("readings", sa.Column("family_hash_no_bcc", sa.Text))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("readings", "family_hash_no_bcc")
