"""Drafts of messages: what a person could send to a customer, from what last night knew of it.

Puntuale sends nothing. Whom nobody may contact gets no draft; what would harm a natural person is
marked as a proposal that a named person has to decide on.
"""

from typing import Any

from pydantic import Field

from models import drafts
from models.catalogue import Catalogue
from models.drafts import Draft, Item, Recipient
from models.legal import Debtor
from pipelines.lookup import Row
from pipelines.snapshot import Snapshot
from serving.answers import Answer, Provenance
from serving.problems import Problem

NATURAL_PERSONS = ("sole_trader", "consumer")


class MessageDraft(Answer):
    """A message to be read, changed and sent by a person."""

    customer_id: str
    action: str = Field(examples=["reminder_1"])
    language: str
    subject: str
    body: str
    invoices: list[str] = Field(description="that it names")
    needs_named_person: bool = Field(
        description="adverse for a natural person: only a proposal, a named person decides"
    )


class StoredDraft(Provenance):
    """A draft from last night's scores."""

    draft: MessageDraft


def draft_of(
    snapshot: Snapshot,
    planned: Row,
    action: str,
    *,
    language: str,
    currency: str,
    catalogue: Catalogue,
) -> dict[str, Any]:
    """The draft of an action for a customer of the plan; a Problem where none may be written."""
    if action not in drafts.MESSAGE_CODES:
        raise Problem("conflict", "This action has no message: nothing is said to the customer.")
    if planned["do_not_contact"]:
        raise Problem("conflict", "This customer must not be contacted: no draft is written.")
    items = open_items(snapshot, planned, action)
    told = written(planned, items, action, language=language, currency=currency)
    adverse = {known.code for known in catalogue.actions if known.adverse}
    return {
        "customer_id": planned["customer_id"],
        "action": action,
        "language": language,
        "subject": told.subject,
        "body": told.body,
        "invoices": [item.invoice_id for item in items],
        "needs_named_person": action in adverse and planned["debtor"] in NATURAL_PERSONS,
    }


def open_items(snapshot: Snapshot, planned: Row, action: str) -> list[Item]:
    """What the message is about: where it is the day's contact, what that is about; else all."""
    more = {item["invoice_id"]: item for item in planned["open_items"]}
    named = planned["invoices"] if planned["code"] == action else list(more)
    return [
        Item(
            invoice_id=row["invoice_id"],
            due_date=row["due_date"],
            open_cents=row["open_cents"],
            interest_cents=more[row["invoice_id"]]["interest_cents"],
            days_late=row["days_past_due"],
            disputed_cents=more[row["invoice_id"]]["disputed_cents"],
        )
        for row in snapshot.get_customer(planned["customer_id"])
        if row["invoice_id"] in named
    ]


def written(planned: Row, items: list[Item], action: str, *, language: str, currency: str) -> Draft:
    """The draft itself; a Problem where all that it could be about is disputed."""
    recipient = Recipient(
        name=planned["customer_name"] or planned["customer_id"],
        debtor=Debtor[planned["debtor"].upper()],
        currency=currency,
        unallocated_cents=planned["unallocated_cents"],
    )
    try:
        return drafts.draft(action, recipient, items, language)
    except ValueError:
        detail = "All that is open is disputed: settle the dispute first."
        raise Problem("conflict", detail) from None
