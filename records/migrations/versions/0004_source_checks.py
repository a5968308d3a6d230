"""What each source said when its places were last to be listed."""

from alembic import op

from records import tables as t

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table where it is not there yet; a new catalogue has it already."""
    t.metadata.create_all(op.get_bind(), tables=[t.source_checks])


def downgrade() -> None:
    """Drop it."""
    t.metadata.drop_all(op.get_bind(), tables=[t.source_checks])
