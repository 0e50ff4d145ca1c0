"""An alert knows the last night on which its warning stood."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # a column that may be empty: SQLite adds it in place, and alerts of before know no night
    op.add_column("alerts", sa.Column("last_seen", sa.Text(), nullable=True))
