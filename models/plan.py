"""The day's plan: who is contacted, how and about which invoices, within what a day holds.

One action for each customer at most, about all the invoices that it concerns; the set of actions
that is worth most in all under the capacity of each channel. `models.actions.decide` gives the same
advice for one invoice alone, where no capacity binds.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from models import capacity as knapsack
from models import holdout, legal
from models.action import Action, Limit
from models.actions import ALTERNATIVES_SHOWN, WAIT, Why
from models.cases import Cases, Cents, Days, Flags, Floats
from models.catalogue import Catalogue
from models.draws import Hashes, Keys
from models.effect_table import PRIORS, SOURCES, EffectTable
from models.holdout import Trial
from models.legal import ReferenceRates
from models.options import NOT_FREE, Grouped, Options, block_names, weigh
from models.weighing import Bits, Weighing, bit

Places = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]

RULE = "2"  # of choosing; another number is another policy
WHYS: tuple[Why, ...] = get_args(Why)
NO_TRIAL = Trial()


class Alternative(NamedTuple):
    """Another action that could be taken, and by how much it is worth less than the one chosen."""

    code: str
    expected_value_cents: int
    gap_cents: int


@dataclass(frozen=True)
class Plan:
    """What is to be done on a day: arrays by customer, by invoice (in the order given), and whole.

    Places point into `codes`, where 0 is to wait.
    """

    codes: tuple[str, ...]
    policy_version: str

    # one value for each customer, in the order of their numbers
    customer: Keys
    place: Places
    expected_value_cents: Cents
    on: Days  # for `wait`, the day to look again
    why: npt.NDArray[np.int8]  # places in WHYS
    better: Places  # the better option that was not free, 0 where there is none
    better_value_cents: Cents
    blocks: Bits  # what stood in its way, as the bits of BLOCKS
    named_person: Flags  # adverse for a natural person: only proposed, a named person decides
    held_out: Flags
    propensity: Floats  # of what is done, given whether the customer is held out
    chances: Floats  # by customer and option, before any toss, that of the hold-out included
    features_hash: Hashes
    worth: Cents  # by customer and option; NOT_FREE where it may not be done

    # one value for each invoice
    customer_row: Rows  # the place of its customer above
    effective: Places  # the option whose effect is expected on it; 0 if the action is not about it
    effect_days: Floats
    effect_lo: Floats
    effect_hi: Floats
    effect_source: npt.NDArray[np.int8]  # places in SOURCES
    options: Options  # which of them are about each invoice

    # of the whole
    used: Mapping[str, float]  # of each limited channel
    bound_cents: float  # no plan within the limits is worth more (before exploration)

    def code(self, row: int) -> str:
        return self.codes[int(self.place[row])]

    def blocked_by(self, row: int) -> list[str]:
        return block_names(int(self.blocks[row]))

    def invoice_chances(self) -> Floats:
        """By invoice and option, the chance that the option reaches it; 0 is to hear nothing."""
        rows = np.arange(len(self.customer_row))
        found = np.zeros((len(rows), len(self.codes)))
        for place in range(len(self.codes)):
            reaching = self.options.effective(np.full(len(rows), place))
            found[rows, reaching] += self.chances[self.customer_row, place]
        return np.minimum(found, 1.0)  # the sum of a few may round above it

    def alternatives(self, row: int) -> list[Alternative]:
        """The best other options that are free for a customer, best first."""
        worth = self.worth[row]
        order: list[int] = np.argsort(-np.maximum(worth, NOT_FREE + 1), kind="stable").tolist()
        others = [p for p in order if p != self.place[row] and worth[p] != NOT_FREE]
        chosen = int(worth[self.place[row]])
        return [
            Alternative(self.codes[p], int(worth[p]), chosen - int(worth[p]))
            for p in others[:ALTERNATIVES_SHOWN]
        ]


def plan(
    cases: Cases,
    catalogue: Catalogue,
    rates: ReferenceRates,
    *,
    as_of: npt.ArrayLike,
    on: npt.ArrayLike | None = None,
    effects: EffectTable = PRIORS,
    trial: Trial = NO_TRIAL,
    capacity: Mapping[str, Limit] | None = None,
) -> Plan:
    """The plan of a day that is worth most, for all open invoices of all customers at once.

    `cases.customer` says which invoices belong together, and must stay a customer's own number for
    held-out customers to stay so. `on` is the business day by invoice, `capacity` (the catalogue's
    where it is not given) what is left of it by channel. The order of the cases changes nothing.
    """
    shape = cases.due_day.shape
    order = np.argsort(cases.customer, kind="stable")
    sorted_cases = cases.take(order)
    days = [
        np.broadcast_to(np.asarray(d, np.int32), shape)[order]
        for d in (as_of, as_of if on is None else on)
    ]
    weighing = Weighing(sorted_cases, catalogue, rates, days[0], days[1], effects)
    grouped = Grouped.of(sorted_cases.customer)
    limits = catalogue.capacity if capacity is None else capacity
    policy_version = version(catalogue, rates, effects, trial)
    chosen = _choose(weighing, catalogue.enabled, grouped, limits, trial)
    return _told(chosen, weighing, catalogue.enabled, grouped, order, policy_version)


def version(
    catalogue: Catalogue, rates: ReferenceRates, effects: EffectTable, trial: Trial = NO_TRIAL
) -> str:
    """The short name of a policy: another catalogue, rate, effect, share or rule gives another."""
    said = repr((RULE, catalogue.version, sorted(rates.points.items()), effects.learned, trial))
    return hashlib.sha256(said.encode()).hexdigest()[:12]


class _Chosen(NamedTuple):
    options: Options
    place: Places
    planned: Places
    held_out: Flags
    propensity: Floats
    chances: Floats
    used: Mapping[str, float]
    bound_cents: float


def _choose(
    weighing: Weighing,
    actions: tuple[Action, ...],
    grouped: Grouped,
    limits: Mapping[str, Limit],
    trial: Trial,
) -> _Chosen:
    """What is done with each customer: the plan, save for who is held out or tried out."""
    options = weigh(weighing, actions, grouped)
    held_out = trial.held_out(grouped.customer)
    worth = options.free.copy()
    worth[held_out, 1:] = NOT_FREE

    channels = [channel for channel in limits if any(a.channel == channel for a in actions)]
    amounts = np.array([limits[channel].amount for channel in channels], np.float64)
    pool = np.array(
        [-1, *(channels.index(a.channel) if a.channel in channels else -1 for a in actions)]
    )
    weight = np.array(
        [0.0, *(limits[a.channel].taken_by(a) if a.channel in limits else 0.0 for a in actions)]
    )
    reserve = trial.exploration_share * np.where(np.isfinite(amounts), amounts, 0.0)
    limit = amounts - reserve
    allotted = knapsack.allot(worth, weight=weight, pool=pool, limit=limit)
    planned = allotted.place.copy()  # and what would be, for who is held out, at the same prices
    planned[held_out] = knapsack.wanted(
        options.free[held_out], allotted.prices, weight=weight, pool=pool, limit=limit
    )

    row, place = np.arange(len(planned)), planned
    chances = np.zeros(worth.shape)
    chances[row, planned] = 1.0
    if trial.exploration_share > 0:
        adverse = np.array([False, *(action.adverse for action in actions)])
        scarce = [
            seats
            for k in range(len(channels))
            if np.isfinite(amounts[k])
            for seats in _seats((pool == k) & (weight > 0), weight, float(reserve[k]))
        ]
        tried = holdout.explore(
            trial,
            day=int(weighing.as_of.max()),
            customer=grouped.customer,
            planned=planned,
            admissible=(options.free != NOT_FREE) & ~adverse,
            scarce=scarce,
            held_out=held_out,
        )
        place, chances = np.where(tried.place >= 0, tried.place, planned), tried.chances
    place = np.where(held_out, 0, place)
    propensity = np.where(held_out, 1.0, np.minimum(chances[row, place], 1.0))
    chances = (1 - trial.holdout_share) * np.minimum(chances, 1.0)
    chances[:, 0] += trial.holdout_share
    used = {c: float(weight[place][pool[place] == k].sum()) for k, c in enumerate(channels)}
    return _Chosen(
        options,
        place,
        allotted.place,
        held_out,
        propensity,
        chances,
        used,
        allotted.bound_cents,
    )


def _seats(weighs: Flags, weight: Floats, reserve: float) -> list[tuple[Flags, int]]:
    """A channel's options with how many explorers the reserve has room for, whatever they draw.

    What is too long for the reserve alone is not drawn, so that it does not keep out the rest.
    """
    fits = weighs & (weight <= reserve)
    room = int(reserve // weight[fits].max()) if fits.any() else 0
    return [(of, n) for of, n in ((fits, room), (weighs & ~fits, 0)) if of.any()]


def _told(
    chosen: _Chosen,
    weighing: Weighing,
    actions: tuple[Action, ...],
    grouped: Grouped,
    order: Rows,
    policy_version: str,
) -> Plan:
    """The plan with what it is worth and what stood in the way, in the order of the cases given."""
    options, place = chosen.options, chosen.place
    customer = np.arange(len(place))
    value = options.free[customer, place]
    better, blocks = _better(chosen, value)
    day = np.maximum.reduceat(weighing.day, grouped.start)
    promised = grouped.any(weighing.cases.promise_day >= weighing.as_of)
    why = np.select(
        [chosen.held_out, place != chosen.planned, place > 0, promised, better > 0],
        [WHYS.index(w) for w in ("held_out", "explored", "best_value", "open_promise", "blocked")],
        WHYS.index("nothing_pays"),
    )
    again = np.minimum.reduceat(weighing.look_again(blocks[grouped.of_row], actions), grouped.start)
    again = np.where((blocks & bit("capacity")) > 0, day + 1, again)

    adverse = np.array([False, *(action.adverse for action in actions)])
    persons = grouped.any(legal.is_natural_person(weighing.cases.debtor))
    effective = options.effective(place[grouped.of_row]).astype(np.int64)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    days, source = _effects(weighing, actions, effective)
    of_better = np.maximum(options.unblocked, options.free)[customer, better]
    return Plan(
        codes=(WAIT, *(action.code for action in actions)),
        policy_version=policy_version,
        customer=grouped.customer,
        place=place,
        expected_value_cents=value,
        on=np.where(place > 0, day, again).astype(np.int32),
        why=why.astype(np.int8),
        better=better,
        better_value_cents=np.where(better > 0, of_better, 0),
        blocks=blocks,
        named_person=adverse[place] & persons,
        held_out=chosen.held_out,
        propensity=chosen.propensity,
        chances=chosen.chances,
        features_hash=np.add.reduceat(weighing.cases.features_hash(), grouped.start),
        worth=options.free,
        customer_row=grouped.of_row[back],
        effective=effective[back],
        effect_days=days["expected"][back],
        effect_lo=days["lowest"][back],
        effect_hi=days["highest"][back],
        effect_source=source[back],
        options=options.reordered(back),
        used=chosen.used,
        bound_cents=chosen.bound_cents,
    )


def _better(chosen: _Chosen, value: Cents) -> tuple[Places, Bits]:
    """The option worth more than what is done that could not be had, and what stood in its way."""
    options, customer = chosen.options, np.arange(len(value))
    crowded, blocked = options.free.argmax(axis=1), options.unblocked.argmax(axis=1)
    by_crowd = options.free[customer, crowded]
    by_block = options.unblocked[customer, blocked]
    full = (by_crowd > value) & (by_crowd >= by_block)
    stopped = (by_block > value) & ~full
    own_choice = chosen.held_out | (chosen.place != chosen.planned)  # nothing stood in the way
    better = np.where(own_choice, 0, np.where(full, crowded, np.where(stopped, blocked, 0)))
    bits = np.where(full, bit("capacity"), options.blocks[customer, blocked])
    return better, np.where(better > 0, bits, 0).astype(np.int32)


def _effects(
    weighing: Weighing, actions: tuple[Action, ...], effective: Places
) -> tuple[dict[str, Floats], npt.NDArray[np.int8]]:
    """How many days sooner each invoice's money is expected, between which, and who says so."""
    days = {bound: np.zeros(len(effective)) for bound in ("expected", "lowest", "highest")}
    source = np.full(len(effective), SOURCES.index("prior"), np.int8)
    for place, action in enumerate(actions, start=1):
        if (taken := effective == place).any():
            for bound, column in days.items():
                column[taken] = weighing.days(action, bound)[taken]
            source[taken] = weighing.source(action)[taken]
    return days, source
