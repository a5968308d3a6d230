"""Hits lie by family, item and term, in their key alone."""

import sqlalchemy as sa
from alembic import op

from records import tables as t

revision = "0011"
down_revision = "0010"

_OLDER_KEY = ("request_id", "version", "term_no", "item_id")
_OLDER_INDEXES = {"hits_by_item": "item_id", "hits_by_family": "family_id"}


def upgrade() -> None:
    """Copy the rows of an older catalogue, in their new order; a new one has the table already."""
    key = [column.name for column in t.hits.primary_key]
    if sa.inspect(op.get_bind()).get_pk_constraint("hits")["constrained_columns"] != key:
        _copy(t.hits)


def downgrade() -> None:
    """Copy them back."""
    older = sa.Table(
        "hits",
        sa.MetaData(),
        *(sa.Column(column.name, column.type, nullable=False) for column in t.hits.c),
        sa.PrimaryKeyConstraint(*_OLDER_KEY),
        *(sa.Index(name, "request_id", "version", last) for name, last in _OLDER_INDEXES.items()),
    )
    _copy(older)


def _copy(table: sa.Table) -> None:
    """Make the table anew with its rows. SQLite cannot change a key, and PostgreSQL keeps its name."""
    op.rename_table("hits", "hits_before")
    for index in sa.inspect(op.get_bind()).get_indexes("hits_before"):
        op.drop_index(str(index["name"]), "hits_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX hits_pkey RENAME TO hits_before_pkey")
    table.create(op.get_bind())
    columns = [column.name for column in table.c]
    before = sa.table("hits_before", *map(sa.column, columns))
    rows = sa.select(before).order_by(*(before.c[column.name] for column in table.primary_key))
    op.execute(table.insert().from_select(columns, rows))
    op.drop_table("hits_before")
