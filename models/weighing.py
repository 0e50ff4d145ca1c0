"""What an action is worth for each case, whether it makes sense on the day, and what forbids it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models import causes, legal
from models.action import Action, Effects
from models.cases import NO_DAY, Cases, Cents, Days, Flags, Floats
from models.catalogue import Catalogue
from models.legal import Debtor, ReferenceRates

Bits = npt.NDArray[np.int32]

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
)


def bit(block: str) -> int:
    """A block's place in a case's bits."""
    return 1 << BLOCKS.index(block)


class Weighing:
    """What the cases have in common for every action: days, amounts, claims, interest."""

    def __init__(
        self, cases: Cases, catalogue: Catalogue, rates: ReferenceRates, as_of: Days, day: Days
    ) -> None:
        self.cases, self.economics, self.as_of, self.day = cases, catalogue.economics, as_of, day
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

    def days(self, action: Action, bound: str) -> Floats:
        days: Floats = np.minimum(self._by_cause(action.days, bound), self.days_to_gain)
        return days

    def _by_cause(self, effects: Effects, bound: str) -> Floats:
        by_place = [getattr(effects.get(code, effects["unknown"]), bound) for code in causes.CODES]
        effects_of_cases: Floats = np.array(by_place)[self.cases.cause]
        return effects_of_cases

    def value_cents(self, action: Action) -> Cents:
        """The expected value in whole cents, rounded down."""
        economics, cases = self.economics, self.cases
        sooner = economics.rate_per_year / 365 * self.days(action, "expected")
        safer = self.loss * self._by_cause(action.unpaid, "expected") * (1 - action.success_fee)
        amount = self.amounts[action.amount]
        if action.dunning and action.amount == "undisputed":  # what it would be worth undisputed
            amount = np.where(self.all_disputed, cases.open_cents, amount)
        value = amount * (sooner + safer - action.concession_share)
        value += action.benefit_share * np.minimum(amount, 100 * action.benefit_up_to_eur)
        if action.claims:
            compensation = np.where(self.late_on_day > 0, legal.COMPENSATION_CENTS, 0)
            claimed = (self.interest.cents + compensation) * economics.compensation_collected
            value += np.where(cases.debtor == Debtor.CONSUMER, 0.0, claimed)
        value -= 100 * (action.cost_eur + action.relationship_eur * (1 - cases.p_late_30))
        unknown = np.isnan(value)
        return np.where(unknown, -1, np.floor(np.where(unknown, 0.0, value))).astype(np.int64)

    def fits(self, action: Action) -> Flags:
        """Whether the action makes sense on the day: its window, its turn, its needs."""
        amount = self.amounts[action.amount]
        fits: Flags = (amount > self.nothing_left) | self.all_disputed
        if action.from_day is not None:
            fits = fits & (self.late_on_day >= action.from_day)
        if action.to_day is not None:
            fits = fits & (self.late_on_day <= action.to_day)
        done = self.cases.done(action.code)
        again = done == NO_DAY
        if action.every_days is not None:
            again = again | (self.day.astype(np.int64) - done >= action.every_days)
        fits = fits & again
        for claim in action.needs:
            fits = fits & claim.holds(self.columns)
        if action.needs_any:
            held = [claim.holds(self.columns) for claim in action.needs_any]
            fits &= np.logical_or.reduce(held)
        return fits

    def blocks(self, action: Action) -> Bits:
        """What forbids the action for each case, as the bits of BLOCKS."""
        cases, day = self.cases, self.day.astype(np.int64)
        found: dict[str, Flags] = {}
        if action.contact:
            found["do_not_contact"] = cases.do_not_contact
            found["quiet_period"] = day - cases.last_contact_day < self.economics.quiet_days
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
        for action in options:
            if action.from_day is not None:
                opens = due + action.from_day
                again = np.where(opens > self.day, np.minimum(again, opens), again)
        quiet = (blocks & bit("quiet_period")) > 0
        silence_ends = cases.last_contact_day.astype(np.int64) + self.economics.quiet_days
        again = np.where(quiet, np.minimum(again, silence_ends), again)
        promised = cases.promise_day >= self.as_of
        return np.where(promised, cases.promise_day + 1, again).astype(np.int32)
