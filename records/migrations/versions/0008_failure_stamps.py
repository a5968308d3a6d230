"""What files a place was read from when it could not be read."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column where an older catalogue lacks it; a new one has it already."""
    columns = sa.inspect(op.get_bind()).get_columns("scopes")
    if not any(column["name"] == "failure_stamp" for column in columns):
        op.add_column("scopes", sa.Column("failure_stamp", sa.Text))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("scopes", "failure_stamp")
