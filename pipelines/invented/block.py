"""One block of invented customers with everything they buy, pay, dispute and promise."""

from dataclasses import dataclass

import numpy as np

from pipelines.invented import contacts, customers, invoices, payments, settling, standing
from pipelines.invented.contacts import Contacts, Promises
from pipelines.invented.customers import Customers
from pipelines.invented.invoices import Invoices
from pipelines.invented.paydays import Paydays
from pipelines.invented.payments import CreditNotes, Outcome, Payments
from pipelines.invented.settling import Intent
from pipelines.invented.standing import Standing


@dataclass(frozen=True)
class Block:
    """Everything drawn for one block of customers."""

    customers: Customers
    invoices: Invoices
    intent: Intent
    contacts: Contacts
    promises: Promises
    payments: Payments
    credit_notes: CreditNotes
    outcome: Outcome
    standing: Standing
    gaps: np.ndarray  # a uniform number per invoice, to leave some fields empty


def draw(block: int, *, start: int, until: int, seed: int, days: Paydays) -> Block:
    """The customers of one block from their own branch of the seed, and all that they do."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block,)))
    who = customers.draw(rng, block=block, start=start, until=until)
    billed = invoices.draw(rng, who, until=until, paydays=days)
    intent = settling.draw(rng, who, billed, paydays=days)
    contacted, settle = contacts.draw(rng, who, billed, intent, until=until, paydays=days)
    promised = contacts.promises(rng, who, billed, contacted, settle, paydays=days)
    paid, credited, outcome = payments.draw(rng, who, billed, intent, settle, paydays=days)
    seen = standing.draw(rng, who, start=start, until=until)
    gaps = rng.random(len(billed.customer))
    return Block(who, billed, intent, contacted, promised, paid, credited, outcome, seen, gaps)
