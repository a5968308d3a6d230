"""Estimates of what a request will take."""

from alembic import op

from records import tables as t

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table where it is not there yet; a new catalogue has it already."""
    t.metadata.create_all(op.get_bind(), tables=[t.estimates])


def downgrade() -> None:
    """Drop it."""
    t.metadata.drop_all(op.get_bind(), tables=[t.estimates])
