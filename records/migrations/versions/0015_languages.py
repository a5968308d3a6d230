"""In which languages the text of a reading is written."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the column where an older catalogue lacks it; a new one has it already."""
    columns = sa.inspect(op.get_bind()).get_columns("readings")
    if not any(column["name"] == "languages" for column in columns):
        op.add_column("readings", sa.Column("languages", sa.Text))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("readings", "languages")
