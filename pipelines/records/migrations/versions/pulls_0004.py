"""What a pull must remember: how far it came, which files it read, which rows are its own."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # a column that may be empty: SQLite adds it in place, and rows of before were sent in
    op.add_column("ledger_rows", sa.Column("source", sa.Text(), nullable=True))
    op.create_table(
        "watermarks",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_table", sa.Text(), nullable=False),
        sa.Column("watermark", sa.Text(), nullable=False),
        sa.Column("moved_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "source_table", name=op.f("pk_watermarks")),
        sqlite_strict=True,
    )
    op.create_table(
        "pulled_files",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("modified", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "name", name=op.f("pk_pulled_files")),
        sqlite_strict=True,
    )
