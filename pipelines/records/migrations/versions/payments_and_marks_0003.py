"""A payment is named with the invoice it pays; a customer may carry a mark of what was done."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for table in ("ledger_rows", "held_rows"):
        _name_payments(
            sa.table(table, *map(sa.column, ("id", "ledger_table", "row_key", "content")))
        )
    op.create_table(
        "customer_marks",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("until", sa.Text(), nullable=True),
        sa.Column("made_on", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer_marks")),
        sqlite_strict=True,
    )


def _name_payments(table: sa.TableClause) -> None:
    """One bank payment may settle several invoices: each of its rows gets a name of its own."""
    connection = op.get_bind()
    payments = sa.select(table.c.id, table.c.row_key, table.c.content).where(
        table.c.ledger_table == "payments", table.c.row_key.is_not(None)
    )
    for row in connection.execute(payments).all():
        invoice_id = json.loads(row.content).get("invoice_id") or ""
        named = table.update().where(table.c.id == row.id)
        connection.execute(named.values(row_key=f"{row.row_key}\x1f{invoice_id.strip()}"))
