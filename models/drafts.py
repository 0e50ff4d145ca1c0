"""Drafts: what could be written or said to a customer, in Italian and in English.

Puntuale sends nothing: a person reads a draft, changes it, sends it. The templates are ours and run
in a sandbox; what comes from the ledger enters as values, never as template text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from models import wording
from models.legal import COMPENSATION_CENTS, NOTICE_DAYS, STATUTORY_POINTS, Debtor

Tone = Literal["friendly", "firm", "formal"]

FOLDER = Path(__file__).with_name("drafts")
PAYMENT_LINK = {"it": "[collegamento per pagare]", "en": "[payment link]"}  # a place to be filled
ABOUT_ALL = ("dispute_resolution", "call", "statement", "settlement")  # the disputed part too
LINE_LONGEST = 120  # of a name or a number out of the ledger: more is a slip, or worse
MESSAGE_CODES = (
    "pre_due_reminder",
    "due_notice",
    "reminder_1",
    "reminder_2",
    "final_reminder",
    "call",
    "statement",
    "dispute_resolution",
    "payment_plan",
    "early_discount",
    "messa_in_mora",
    "late_interest",
    "settlement",
    "negoziazione_assistita",
)
# The tone of each step; a customer of a cared-for segment hears the milder one until it is formal.
TONES: dict[str, Tone] = {
    "reminder_2": "firm",
    "final_reminder": "firm",
    "late_interest": "firm",
    "messa_in_mora": "formal",
    "negoziazione_assistita": "formal",
}
MILDER: dict[Tone, Tone] = {"firm": "friendly", "friendly": "friendly", "formal": "formal"}


@dataclass(frozen=True)
class Recipient:
    """Who is written to, and by whom; `cared_for` for segments to be spoken to more gently."""

    name: str
    sender: str = ""
    debtor: Debtor = Debtor.BUSINESS
    cared_for: bool = False
    currency: str = "EUR"
    unallocated_cents: int = 0
    payment_link: str | None = None


@dataclass(frozen=True)
class Item:
    """One open invoice as the message names it."""

    invoice_id: str
    due_date: date
    open_cents: int
    interest_cents: int | None = None  # None: not claimable, or a reference rate is missing
    days_late: int = 0
    disputed_cents: int = 0
    pagopa_notice: str | None = None


class Draft(NamedTuple):
    """A message to be read before it is sent."""

    subject: str
    body: str


def draft(action: str, customer: Recipient, items: Sequence[Item], language: str) -> Draft:
    """The draft of a contact about a customer's open invoices, oldest first.

    For `call` it is what to say. What is disputed is not asked for; interest is named where the
    law gives it to this debtor.
    """
    if action not in MESSAGE_CODES:
        known = ", ".join(MESSAGE_CODES)
        raise ValueError(f"a draft is written for one of {known}, got: {action}")
    if action not in ABOUT_ALL:
        rest = (replace(i, open_cents=i.open_cents - i.disputed_cents) for i in items)
        items = [item for item in rest if item.open_cents > 0]
    if not items:
        raise ValueError("a draft needs at least one open invoice that is not disputed, got none")
    oldest_first = sorted(items, key=lambda item: (item.due_date, item.invoice_id))
    template = _environment().get_template(f"{wording.checked(language)}/{action}.j2")
    text = template.render(
        tone=tone(action, cared_for=customer.cared_for),
        customer=_line(customer.name),
        sender=_line(customer.sender),
        link=_line(customer.payment_link or PAYMENT_LINK[language]),
        items=[_item(item, customer, language) for item in oldest_first],
        one=len(items) == 1,
        notice_days=NOTICE_DAYS,
        points=STATUTORY_POINTS // 100,
        **_sums(customer, items, language),
    )
    subject, _, body = re.sub(r"\n{3,}", "\n\n", text.strip()).partition("\n")
    return Draft(subject.strip(), body.strip() + "\n")


def tone(action: str, *, cared_for: bool = False) -> Tone:
    """How an action speaks to a customer."""
    usual = TONES.get(action, "friendly")
    return MILDER[usual] if cared_for else usual


def _sums(customer: Recipient, items: Sequence[Item], language: str) -> dict[str, str | None]:
    """The amounts of the whole message; None where there is nothing to say."""

    def money(cents: int) -> str:
        return wording.quantity(float(cents), "cents", language, currency=customer.currency)

    total = sum(item.open_cents for item in items)
    disputed = sum(item.disputed_cents for item in items)
    in_business = customer.debtor != Debtor.CONSUMER
    late = [item for item in items if item.days_late > 0]
    known = in_business and all(item.interest_cents is not None for item in late)
    interest = sum(item.interest_cents or 0 for item in late) if known else 0
    compensation = COMPENSATION_CENTS * len(late) if in_business else 0
    return {
        "total": money(total),
        "disputed": money(disputed) if disputed else None,
        "unallocated": money(customer.unallocated_cents) if customer.unallocated_cents else None,
        "interest": money(interest) if interest else None,
        "compensation": money(compensation) if compensation else None,
        "total_due": money(total + interest + compensation),
    }


def _item(item: Item, customer: Recipient, language: str) -> dict[str, str | None]:
    days = (item.due_date - date(1970, 1, 1)).days
    claimable = item.interest_cents if customer.debtor != Debtor.CONSUMER else None
    amounts = {"amount": item.open_cents, "interest": claimable}
    return {
        "number": _line(item.invoice_id),
        "due": wording.quantity(float(days), "date", language),
        "pagopa": _line(item.pagopa_notice) if item.pagopa_notice else None,
        **{
            name: wording.quantity(float(cents), "cents", language, currency=customer.currency)
            if cents
            else None
            for name, cents in amounts.items()
        },
    }


def _line(text: str) -> str:
    """A value out of the ledger as one printable line: no line breaks, no marks that turn text."""
    kept = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(kept.split())[:LINE_LONGEST]


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    """Plain text, so nothing is escaped as HTML: who shows a draft on a page escapes it there."""
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
