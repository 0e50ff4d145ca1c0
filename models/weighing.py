"""What an action is worth for each case, whether it makes sense on the day, and what forbids it."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models import legal
from models.action import Action
from models.cases import NO_DAY, Cases, Cents, Days, Flags, Floats
from models.catalogue import Catalogue
from models.effect_table import BOUNDS, PRIORS, SOURCES, Cells, EffectTable
from models.legal import Debtor, ReferenceRates

Bits = npt.NDArray[np.int32]
HAIR = 1e-6  # of a cent: what binary fractions may be off by

BLOCKS = (
    "do_not_contact",
    "open_promise",
    "dispute",
    "unallocated_cash",
    "sure_payer_of_a_small_amount",
    "consumer",
    "quiet_period",
    "legal_order",
    "missing_documents",
    "missing_reference_rate",
    "capacity",  # of the day's plan; never of one invoice alone
)


def bit(block: str) -> int:
    """A block's place in a case's bits."""
    return 1 << BLOCKS.index(block)


class Weighing:
    """What the cases have in common for every action: days, amounts, claims, interest."""

    def __init__(
        self,
        cases: Cases,
        catalogue: Catalogue,
        rates: ReferenceRates,
        as_of: Days,
        day: Days,
        effects: EffectTable = PRIORS,
    ) -> None:
        self.cases, self.economics, self.as_of, self.day = cases, catalogue.economics, as_of, day
        self.effects, self.actions = effects, catalogue.actions
        self.late_on_day = day.astype(np.int64) - cases.due_day
        days_past_due = as_of.astype(np.int64) - cases.due_day
        self.columns = cases.claimable(days_past_due)
        self.interest = legal.accrue(cases.open_cents, cases.due_day, day, rates)

        self.nothing_left = 100 * self.economics.nothing_left_eur
        disputed = np.clip(cases.disputed_cents, 0, np.maximum(cases.open_cents, 0))
        self.amounts = {
            "open": cases.open_cents,
            "disputed": disputed,
            "undisputed": cases.open_cents - disputed,
        }
        self.all_disputed = (disputed > 0) & (self.amounts["undisputed"] <= self.nothing_left)
        self.loss = self.economics.loss_given_default(days_past_due) * cases.p_unpaid_180
        # An invoice can't be paid earlier by more than it is expected to be late from now on.
        self.days_to_gain = np.nan_to_num(np.maximum(cases.expected_days_late - days_past_due, 0.0))
        self.is_known = np.isfinite(cases.p_unpaid_180) & np.isfinite(cases.p_late_30)
        self.p_late_30: Floats = np.nan_to_num(cases.p_late_30)
        self.heard = self.economics.heard(cases.recent_contacts)
        self._is_worth_acting: dict[str, Flags] = {
            name: ((amount > self.nothing_left) | self.all_disputed) & self.is_known
            for name, amount in self.amounts.items()
        }
        self._cells: dict[str, Cells] = {}

    def days(self, action: Action, bound: str) -> Floats:
        days: Floats = np.minimum(self._effect(action, "days", bound), self.days_to_gain)
        return days

    def source(self, action: Action) -> npt.NDArray[np.int8]:
        """Where each case's effect comes from, as places in SOURCES."""
        source: npt.NDArray[np.int8] = self._of_cases(self._cells_of(action).source)
        return source

    def _cells_of(self, action: Action) -> Cells:
        if action.code not in self._cells:
            self._cells[action.code] = self.effects.cells(action)
        return self._cells[action.code]

    def _of_cases(self, cells: npt.NDArray[np.generic]) -> npt.NDArray[Any]:
        one = cells.shape[1] == 1
        of_cases: npt.NDArray[Any] = cells[self.cases.cause, 0 if one else self.cases.segment]
        return of_cases

    def _effect(self, action: Action, of: Literal["days", "unpaid"], bound: str) -> Floats:
        cells = self._cells_of(action)
        effect: Floats = self.heard * self._of_cases(getattr(cells, of)[BOUNDS.index(bound)])
        if not action.by_history:
            return effect
        factor = self.cases.history_factor(action.by_history)
        return np.where(self.source(action) == SOURCES.index("prior"), effect * factor, effect)

    def value_cents(self, action: Action) -> Cents:
        """The expected value in whole cents, for a case alone: its gain less what it costs."""
        return self.gain_cents(action) - self.cost_cents(action, self.p_late_30)

    def gain_cents(self, action: Action) -> Cents:
        """What the action is expected to gain before its cost, in whole cents, rounded down."""
        economics, cases = self.economics, self.cases
        sooner = economics.rate_per_year / 365 * self.days(action, "expected")
        safer = self._effect(action, "unpaid", "expected")
        paid = 1 - cases.p_unpaid_180 * (1 - safer)  # the fee is on this, with the action or not
        given_up = action.concession_share + action.success_fee * paid
        amount = self.amounts[action.amount]
        if action.dunning and action.amount == "undisputed":  # what it would be worth undisputed
            amount = np.where(self.all_disputed, cases.open_cents, amount)
        gain = amount * (sooner + self.loss * safer - given_up)
        if action.benefit_share:
            gain += action.benefit_share * np.minimum(amount, 100 * action.benefit_up_to_eur)
        if action.claims:
            compensation = np.where(self.late_on_day > 0, legal.COMPENSATION_CENTS, 0)
            claimed = (self.interest.cents + compensation) * economics.compensation_collected
            gain += np.where(cases.debtor == Debtor.CONSUMER, 0.0, claimed)
        return np.floor(np.where(self.is_known, gain, 0.0)).astype(np.int64)

    def cost_cents(self, action: Action, p_late_30: Floats) -> Cents:
        """What doing it once costs, in whole cents, rounded up; a contact costs attention too.

        With a customer who would have paid anyway it costs patience too: `p_late_30` is the
        largest among the invoices that it is about.
        """
        patience = action.relationship_eur * (1 - p_late_30)
        attention = self.economics.attention_eur if action.contact else 0.0
        cents = 100 * (action.cost_eur + attention + patience)
        return np.ceil(cents - HAIR).astype(np.int64)

    def fits(self, action: Action) -> Flags:
        """Whether the action makes sense on the day: its window, its turn, its needs."""
        fits: Flags = self._is_worth_acting[action.amount]
        if action.from_day is not None:
            fits = fits & (self.late_on_day >= action.from_day)
        if action.to_day is not None:
            fits = fits & (self.late_on_day <= action.to_day)
        if not fits.any():
            return fits
        earliest = legal.earliest_day(action.code, self.cases.due_day)
        if earliest is not None:
            fits = fits & (self.day >= earliest)
        done = self.cases.done(action.code)
        again = done == NO_DAY
        if action.every_days is not None:
            again = again | (self.day.astype(np.int64) - done >= action.every_days)
        fits = fits & again
        if action.step:  # the steps of dunning never go back
            for other in self.actions:
                if other.step > action.step and other.code in self.cases.done_day:
                    fits = fits & (self.cases.done(other.code) == NO_DAY)
        for claim in action.needs:
            fits = fits & claim.holds(self.columns)
        if action.needs_any:
            held = [claim.holds(self.columns) for claim in action.needs_any]
            fits = fits & np.logical_or.reduce(held)
        return fits

    def blocks(self, action: Action) -> Bits:
        """What forbids the action for each case, as the bits of BLOCKS."""
        cases, day = self.cases, self.day.astype(np.int64)
        found: dict[str, Flags] = {}
        if action.contact:
            found["do_not_contact"] = cases.do_not_contact
            found["quiet_period"] = day - cases.last_contact_day < self.quiet_days(action)
        if action.dunning and (action.contact or action.adverse):
            found["open_promise"] = cases.promise_day >= self.as_of
            if action.amount == "undisputed":
                found["dispute"] = self.all_disputed
        if "unallocated_cash" in action.blocked_by:
            found["unallocated_cash"] = cases.unallocated_cents > self.nothing_left
        if "sure_payer_of_a_small_amount" in action.blocked_by:
            small = cases.open_cents < 100 * self.economics.small_amount_eur
            sure = cases.p_late_0 < self.economics.sure_p_late_0
            found["sure_payer_of_a_small_amount"] = small & sure
        if action.claims == "interest_only":
            found["consumer"] = cases.debtor == Debtor.CONSUMER
            found["missing_reference_rate"] = self.interest.missing >= 0
        if action.after is not None:
            done = cases.done(action.after)
            found["legal_order"] = (done == NO_DAY) | ~legal.notice_expired(done, self.day)
        lacking = self.missing_documents(action)
        if lacking:
            found["missing_documents"] = np.logical_or.reduce(list(lacking.values()))

        bits = np.zeros(cases.due_day.shape, np.int32)
        for code, blocked in found.items():
            bits |= np.where(blocked, bit(code), 0).astype(np.int32)
        return bits

    def quiet_days(self, action: Action) -> int:
        """How long the customer must have been left in peace before the action."""
        return self.economics.quiet_days if action.quiet_days is None else action.quiet_days

    def missing_documents(self, action: Action) -> dict[str, Flags]:
        papers = {
            name: getattr(self.cases, name)
            for name in ("has_contract", "has_delivery_proof", "has_address")
        }
        return legal.missing_documents(action.code, papers)

    def look_again(self, blocks: Bits, options: Sequence[Action]) -> Days:
        """The next day that changes something: a promise falls due, silence ends, a window opens.

        `blocks` are those of the better action that each case waits for (0: none).
        """
        due, cases = self.cases.due_day.astype(np.int64), self.cases
        again = self.day.astype(np.int64) + self.economics.look_again_days
        for from_day in {action.from_day for action in options if action.from_day is not None}:
            opens = due + from_day
            again = np.where(opens > self.day, np.minimum(again, opens), again)
        quiet = (blocks & bit("quiet_period")) > 0
        for days in sorted({self.quiet_days(action) for action in options if action.contact}):
            ends = cases.last_contact_day.astype(np.int64) + days
            again = np.where(quiet & (ends > self.day), np.minimum(again, ends), again)
        promised = cases.promise_day >= self.as_of
        return np.where(promised, cases.promise_day + 1, again).astype(np.int32)
