"""Who was written to or called, by a logged toss, and what each contact truly gained."""

from dataclasses import dataclass

import numpy as np

from pipelines.invented import temperaments as tempers
from pipelines.invented.customers import Customers
from pipelines.invented.invoices import Invoices
from pipelines.invented.paydays import Paydays
from pipelines.invented.settling import Intent
from pipelines.ledger import NEVER

CALL_OUTCOMES = ("no_answer", "spoken", "promised")
SURE_TOSS = 1.0  # a held-out customer waits whatever the toss


@dataclass(frozen=True)
class Contacts:
    """One block's logged decisions, a value each: contacts made, and contacts left out (wait)."""

    invoice: np.ndarray  # row in the block's invoices
    step: np.ndarray  # row of temperaments.CONTACTS
    day: np.ndarray
    made: np.ndarray
    held_out: np.ndarray
    propensity: np.ndarray  # of what was done
    outcome: np.ndarray  # of calls: row of CALL_OUTCOMES
    settle_without: np.ndarray  # the day of settlement had this contact not been made ...
    settle_with: np.ndarray  # ... and with it


@dataclass(frozen=True)
class Promises:
    """One block's promises to pay, a value per promise."""

    invoice: np.ndarray
    made_day: np.ndarray
    promised_day: np.ndarray


def draw(
    rng: np.random.Generator,
    customers: Customers,
    invoices: Invoices,
    intent: Intent,
    *,
    until: int,
    paydays: Paydays,
) -> tuple[Contacts, np.ndarray]:
    """The decisions taken up to `until`, and the day each invoice is settled after them."""
    settle = intent.settle_day
    taken = []
    for step in range(len(tempers.CONTACTS)):
        decisions = _step(
            rng, customers, invoices, intent, settle, step, until=until, paydays=paydays
        )
        settle = settle.copy()
        settle[decisions.invoice] = decisions.settle_with
        taken.append(decisions)
    names = Contacts.__dataclass_fields__
    columns = {name: np.concatenate([getattr(t, name) for t in taken]) for name in names}
    order = np.lexsort((columns["invoice"], columns["day"], invoices.customer[columns["invoice"]]))
    return Contacts(**{name: values[order] for name, values in columns.items()}), settle


def _step(
    rng: np.random.Generator,
    customers: Customers,
    invoices: Invoices,
    intent: Intent,
    settle: np.ndarray,
    step: int,
    *,
    until: int,
    paydays: Paydays,
) -> Contacts:
    """One step of the dunning, tossed for on every invoice still open on its day."""
    contact = tempers.CONTACTS[step]
    n = len(settle)
    country, run = customers.country[invoices.customer], customers.run[invoices.customer]
    temperament = customers.temperament[invoices.customer]
    day = paydays.next_day(invoices.due_business_day + contact.after_due_days, country=country)
    in_dispute = (intent.dispute.opened < day) & (day <= intent.dispute.closed)
    open_then = (settle > day) & (day > invoices.issue_day) & (day <= until) & ~in_dispute
    asked = open_then & (invoices.cents >= 100 * contact.minimum_eur)
    asked &= ~customers.do_not_contact[invoices.customer]

    chance = np.round(np.clip(contact.propensity + 0.12 * invoices.size, 0.05, 0.95), 3)
    held_out = customers.held_out[invoices.customer]
    made = (rng.random(n) < chance) & ~held_out
    outcome = rng.choice(3, n, p=[0.35, 0.40, 0.25])
    heard = outcome > 0 if contact.code == "call" else np.ones(n, bool)

    responsive = tempers.trait("responsiveness")[temperament]
    gains = contact.gains_days * responsive * rng.gamma(3.0, 1 / 3.0, n)
    if contact.code == "call":
        gains = gains / 0.65  # the mean over all calls, answered or not, stays the declared one
    hastened = np.maximum(settle - np.rint(gains).astype(np.int64), day + 1)
    hastened = np.minimum(paydays.next_day(hastened, country=country, run=run), settle)
    rescued = rng.random(n) < tempers.RESCUES.get(contact.code, 0.0) * responsive
    late_but_paid = paydays.next_day(day + rng.integers(10, 60, n), country=country, run=run)
    hastened = np.where(settle < NEVER, hastened, np.where(rescued, late_but_paid, NEVER))

    kept = np.flatnonzero(asked)
    toss = np.where(held_out, SURE_TOSS, np.where(made, chance, np.round(1 - chance, 3)))
    return Contacts(
        invoice=kept,
        step=np.full(len(kept), step),
        day=day[kept],
        made=made[kept],
        held_out=held_out[kept],
        propensity=toss[kept],
        outcome=outcome[kept],
        settle_without=settle[kept],
        settle_with=np.where(made & heard, hastened, settle)[kept],
    )


def promises(
    rng: np.random.Generator,
    customers: Customers,
    invoices: Invoices,
    contacts: Contacts,
    settle: np.ndarray,
    *,
    paydays: Paydays,
) -> Promises:
    """Promises made on calls or unasked, one an invoice, kept as often as the temperament does."""
    n = len(settle)
    temperament = customers.temperament[invoices.customer]
    spontaneous = rng.random(n) < 0.8 * tempers.trait("promise_share")[temperament]
    made_day = np.where(
        spontaneous, invoices.due_business_day + rng.integers(6, 25, n), NEVER
    ).astype(np.int64)
    code = [c.code for c in tempers.CONTACTS].index("call")
    told = contacts.made & (contacts.step == code) & (contacts.outcome == 2)
    made_day[contacts.invoice[told]] = contacts.day[told]

    country = customers.country[invoices.customer]
    made_day = paydays.next_day(made_day, country=country)
    keeps = rng.random(n) < tempers.trait("promise_kept_share")[temperament]
    keeps &= settle < NEVER
    near = rng.integers(0, 4, n)
    soon = rng.integers(4, 13, n)
    wished = np.where(keeps & (settle <= made_day + 45), settle + near, made_day + soon)
    promised_day = paydays.next_day(wished, country=country)
    row = np.flatnonzero((made_day < settle) & (made_day < NEVER))
    return Promises(row, made_day[row], promised_day[row])
