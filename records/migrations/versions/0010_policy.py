"""Possible exceptions to the district's own policy on texting, and what people judged of them."""

from alembic import op

from records import tables as t

revision = "0010"
down_revision = "0009"

_TABLES = (t.policies, t.policy_checks, t.policy_marks, t.policy_judgements)


def upgrade() -> None:
    """Create what an older catalogue lacks; a new one has it already."""
    t.metadata.create_all(op.get_bind(), tables=_TABLES)


def downgrade() -> None:
    """Drop them."""
    t.metadata.drop_all(op.get_bind(), tables=_TABLES)
