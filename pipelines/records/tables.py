"""The tables of the records, for SQLite and PostgreSQL alike.

Moments are text in UTC, ISO 8601 to the microsecond, so that they sort; JSON is text. On SQLite the
tables are STRICT: text in a number's column is an error there as it is on PostgreSQL.
"""

import sqlalchemy as sa

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # STRICT knows no BIGINT

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


def _table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *parts, sqlite_strict=True)


def _text(name: str, *, required: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=not required)


def _number(name: str, *, required: bool = True) -> sa.Column[int]:
    return sa.Column(name, NUMBER, nullable=not required)


def _id() -> sa.Column[int]:
    return sa.Column("id", NUMBER, sa.Identity(), primary_key=True)


# One row of the ledger as it was sent, one line per revision; the one in force has no replaced_at.
ledger_rows = _table(
    "ledger_rows",
    _id(),
    _text("ledger_table"),
    _text("row_key"),
    _number("revision"),
    _text("received_at"),
    _text("replaced_at", required=False),
    _text("content"),
    _text("source", required=False),  # the source that it was pulled from; empty: it was sent in
    sa.UniqueConstraint("ledger_table", "row_key", "revision"),
    sa.Index("ix_ledger_rows_in_force", "ledger_table", "replaced_at"),
)

# Rows that break a rule, with every fault found; sent again and right, they are released.
held_rows = _table(
    "held_rows",
    _id(),
    _text("ledger_table"),
    _text("row_key", required=False),
    _text("received_at"),
    _text("released_at", required=False),
    _text("content"),
    _text("faults"),
    sa.Index("ix_held_rows_waiting", "released_at", "id"),
)

# How far each table of a source was pulled: the next pull begins there, less an overlap.
watermarks = _table(
    "watermarks",
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("source_table", sa.Text, primary_key=True),
    _text("watermark"),
    _text("moved_at"),
)

# The files of a folder that were imported: each content once.
pulled_files = _table(
    "pulled_files",
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    _number("size"),
    _text("modified"),
    _text("sha256"),
    _text("imported_at"),
)

# What a request with an Idempotency-Key was answered, to be answered again.
replies = _table(
    "replies",
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("idempotency_key", sa.Text, primary_key=True),
    _text("request_digest"),
    _text("made_at"),
    _number("status"),
    _text("body"),
)

api_keys = _table(
    "api_keys",
    sa.Column("key_id", sa.Text, primary_key=True),
    _text("name"),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    _text("scopes"),
    _text("made_at"),
    _text("expires_at", required=False),
    _text("revoked_at", required=False),
    _number("requests_per_minute", required=False),
)

# Every write: who, what, when. Each line carries the digest of the one before it.
audit = _table(
    "audit",
    _id(),
    _text("at"),
    _text("who"),
    _text("what"),
    _text("subject"),
    _text("request_id", required=False),
    _text("detail"),
    _text("digest"),
)

# A warning that is new since the night before, and what a person said of it.
alerts = _table(
    "alerts",
    _id(),
    _text("as_of"),
    _text("customer_id"),
    _text("invoice_id"),  # empty: the warning is about the customer
    _text("code"),
    _text("since"),
    _text("severity"),
    _number("value_cents"),
    _text("facts"),
    _text("state"),
    _text("until", required=False),
    _text("changed_at"),
    _text("changed_by", required=False),
    _text("last_seen", required=False),  # the last night on which the warning stood
    sa.UniqueConstraint("code", "customer_id", "invoice_id", "since"),
    sa.Index("ix_alerts_by_state", "state", "as_of", "value_cents"),
)

# What was last done about a customer, or until when it was put off: the worklist shows it.
customer_marks = _table(
    "customer_marks",
    sa.Column("customer_id", sa.Text, primary_key=True),
    _text("kind"),
    _text("subject"),  # the action's code, or the invoice that is promised
    _text("until", required=False),
    _text("made_on"),
    _text("changed_at"),
    _text("changed_by"),
)

webhooks = _table(
    "webhooks",
    sa.Column("webhook_id", sa.Text, primary_key=True),
    _text("url"),
    _text("secret"),
    _text("events"),
    _text("made_at"),
    _text("disabled_at", required=False),
)

deliveries = _table(
    "deliveries",
    _id(),
    sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhooks.webhook_id"), nullable=False),
    _text("event_id"),
    _text("body"),
    _text("made_at"),
    _number("attempts"),
    _text("next_at", required=False),
    _text("delivered_at", required=False),
    _text("dead_at", required=False),
    _text("last_answer", required=False),
    sa.UniqueConstraint("webhook_id", "event_id"),
    sa.Index("ix_deliveries_due", "next_at"),
)
