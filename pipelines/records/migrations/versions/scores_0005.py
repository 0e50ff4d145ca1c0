"""Scores on PostgreSQL: tables in partitions, one for each night (`pipelines.score_database`)."""

from alembic import op

revision = "0005"
down_revision = "0004"

# Text is compared byte by byte, as the snapshot's own lookup compares it.
TABLES = """
CREATE TABLE score_batches (
    batch_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    as_of TEXT NOT NULL,
    model_version TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('loading', 'current', 'old')),
    scores_rows BIGINT, scores_sum NUMERIC,
    plan_rows BIGINT, plan_sum NUMERIC,
    customers_rows BIGINT, customers_sum NUMERIC,
    manifest TEXT NOT NULL
);
CREATE UNIQUE INDEX one_is_current ON score_batches (state) WHERE state = 'current';
CREATE TABLE scores (
    batch_id BIGINT NOT NULL,
    place BIGINT NOT NULL,
    invoice_id TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    risk_band TEXT COLLATE "C",
    action TEXT COLLATE "C",
    company_code TEXT COLLATE "C",
    signals TEXT COLLATE "C" NOT NULL,
    open_cents BIGINT,
    value_at_risk_cents BIGINT,
    p_late_30 DOUBLE PRECISION,
    row TEXT NOT NULL
) PARTITION BY LIST (batch_id);
CREATE TABLE score_plans (
    batch_id BIGINT NOT NULL,
    place BIGINT NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    row TEXT NOT NULL
) PARTITION BY LIST (batch_id);
CREATE TABLE score_customers (
    batch_id BIGINT NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    collector TEXT COLLATE "C",
    companies TEXT COLLATE "C" NOT NULL,
    signals TEXT COLLATE "C" NOT NULL,
    risk_band TEXT COLLATE "C" NOT NULL,
    open_cents BIGINT NOT NULL,
    overdue_cents BIGINT NOT NULL,
    value_at_risk_cents BIGINT NOT NULL,
    p_late_30 DOUBLE PRECISION NOT NULL,
    row TEXT NOT NULL
) PARTITION BY LIST (batch_id);
CREATE TABLE score_files (
    batch_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    content BYTEA NOT NULL
) PARTITION BY LIST (batch_id)
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return  # the snapshot's folder is beside SQLite anyway
    for statement in TABLES.split(";\n"):
        op.execute(statement)
