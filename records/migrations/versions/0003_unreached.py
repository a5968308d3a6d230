"""Places of a source that are not read, each with why."""

from alembic import op

from records import tables as t

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table where it is not there yet; a new catalogue has it already."""
    t.metadata.create_all(op.get_bind(), tables=[t.unreached])


def downgrade() -> None:
    """Drop it."""
    t.metadata.drop_all(op.get_bind(), tables=[t.unreached])
