"""How invented customers pay: one line a temperament, and what a contact truly gains with each."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Temperament:
    """One way of paying; delays count from the business due date, before rounding to a payday."""

    name: str
    share: float  # of all customers
    delay_mean_days: float  # the mean over the temperament's customers ...
    delay_spread_days: float  # ... how much its customers differ from each other
    noise_days: float  # ... and one customer's invoices from each other
    mood_days: float  # size of a customer's monthly shocks, which fade over some months
    forgotten_share: float  # invoices lost or held up on a desk, paid weeks later
    dispute_share: float
    partial_share: float  # paid in two parts
    promise_share: float  # of the invoices more than a week late
    promise_kept_share: float
    responsiveness: float  # multiplies the days that a contact gains


TEMPERAMENTS = (
    Temperament("punctual", 0.34, -4.0, 2.0, 3.5, 1.2, 0.022, 0.012, 0.010, 0.15, 0.90, 0.8),
    Temperament("habitual_late", 0.18, 13.0, 7.0, 7.5, 3.0, 0.040, 0.015, 0.030, 0.20, 0.70, 1.0),
    Temperament("sliding", 0.15, -1.5, 2.5, 5.0, 2.5, 0.022, 0.015, 0.030, 0.30, 0.25, 0.25),
    Temperament("disputing", 0.06, -0.5, 3.0, 5.0, 2.0, 0.035, 0.160, 0.040, 0.15, 0.60, 0.3),
    Temperament("seasonal", 0.08, -4.5, 2.5, 4.0, 1.5, 0.025, 0.012, 0.030, 0.20, 0.75, 0.7),
    Temperament("payment_run", 0.12, -9.0, 3.0, 2.5, 1.0, 0.020, 0.012, 0.005, 0.10, 0.85, 0.5),
    Temperament("newcomer", 0.07, -1.0, 6.0, 5.0, 1.0, 0.030, 0.020, 0.020, 0.20, 0.70, 1.0),
)
NAMES = tuple(t.name for t in TEMPERAMENTS)
CODE = {name: code for code, name in enumerate(NAMES)}


def trait(name: str) -> np.ndarray:
    """One trait of all temperaments, to be indexed by temperament code."""
    return np.array([getattr(t, name) for t in TEMPERAMENTS])


@dataclass(frozen=True)
class Contact:
    """One step of the invented company's dunning, tossed for with a known propensity."""

    code: str
    channel: str
    after_due_days: int
    propensity: float  # for an invoice of usual size; larger ones are contacted more often
    minimum_eur: float
    gains_days: float  # for a customer of responsiveness 1
    cost_eur: float


CONTACTS = (
    Contact("pre_due_reminder", "email", -3, 0.30, 5_000.0, 1.5, 0.2),
    Contact("due_notice", "email", 1, 0.40, 1_500.0, 2.5, 0.2),
    Contact("reminder_1", "email", 10, 0.65, 100.0, 4.0, 0.5),
    Contact("call", "phone", 18, 0.45, 1_000.0, 8.0, 6.0),
    Contact("reminder_2", "email", 25, 0.65, 100.0, 5.0, 0.5),
    Contact("final_reminder", "pec", 40, 0.60, 100.0, 7.0, 4.0),
)
RESCUES = {
    "call": 0.10,
    "final_reminder": 0.06,
}  # of invoices that would never be paid, x responsiveness


def true_effect_days(contact_code: str, temperament: str) -> float:
    """The mean days that this contact gains with this temperament, before rounding to paydays."""
    contact = next(c for c in CONTACTS if c.code == contact_code)
    return contact.gains_days * TEMPERAMENTS[CODE[temperament]].responsiveness
