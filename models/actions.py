"""What to do about each open invoice: the best action, by expected value, that may be done.

The value of an action is the money that comes earlier, the loss that is avoided and the interest
that is claimed, less its cost and what it costs with a customer who would have paid anyway.
Capacity is not known here: it cuts the worklist.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from models import legal, wording
from models.action import Action, CatalogueError
from models.cases import Cases, Cents, Days, Flags, Floats
from models.catalogue import Catalogue
from models.effect_table import PRIORS, SOURCES, EffectTable
from models.legal import ReferenceRates
from models.weighing import BLOCKS, Bits, Weighing, bit

__all__ = ["Cases", "Catalogue", "CatalogueError", "Decisions", "decide", "sentence"]

WAIT = "wait"
ALTERNATIVES_SHOWN = 3
NEEDS_NAMED_PERSON = "needs_named_person"
Why = Literal["best_value", "explored", "held_out", "open_promise", "blocked", "nothing_pays"]


@dataclass(frozen=True)
class Decisions:
    """For each case what to do and when, what it is worth, and what stood in the way of better."""

    code: list[str]
    channel: list[str]
    on: Days  # for `wait`, the day to look again
    why: list[Why]
    expected_value_cents: Cents
    effect_days: Floats
    effect_lo: Floats
    effect_hi: Floats
    effect_source: list[str]
    blocked_action: list[str]  # the better one, where there was one
    blocked_by: list[list[str]]
    alternatives: list[list[tuple[str, int]]]
    legal_basis: list[str]
    missing_documents: list[list[str]]
    held_out: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))


def decide(
    cases: Cases,
    catalogue: Catalogue,
    rates: ReferenceRates,
    *,
    as_of: npt.ArrayLike,
    on: npt.ArrayLike | None = None,
    effects: EffectTable = PRIORS,
    held_out: Flags | None = None,
) -> Decisions:
    """The best action for each case alone as of a day, by expected value; held out, it waits.

    `on` is the business day on which it would be done (as_of where it is not given); timing
    windows are looked at on that day. Ties go to waiting, then to the order of the catalogue.
    """
    as_of = np.broadcast_to(np.asarray(as_of, np.int32), cases.due_day.shape)
    day = as_of if on is None else np.broadcast_to(np.asarray(on, np.int32), as_of.shape)
    weighing = Weighing(cases, catalogue, rates, as_of, day, effects)
    options = catalogue.enabled

    rows, width = cases.due_day.size, len(options) + 1  # place 0 is to wait, worth nothing
    values = np.zeros((rows, width), np.int64)
    fits = np.ones((rows, width), np.bool_)
    blocks = np.zeros((rows, width), np.int32)
    for place, action in enumerate(options, start=1):
        fits[:, place] = weighing.fits(action)
        if fits[:, place].any():  # what fits nobody is not chosen, nor waited for
            values[:, place] = weighing.value_cents(action)
            blocks[:, place] = weighing.blocks(action)

    worst = np.iinfo(np.int64).min
    held = np.zeros(rows, np.bool_) if held_out is None else held_out
    free = fits & (blocks == 0)
    free[held, 1:] = False
    order = np.argsort(-np.where(free, values, worst + 1), axis=1, kind="stable")
    chosen = order[:, 0]
    blocked_values = np.where(fits & (blocks != 0) & ~held[:, None], values, worst)
    better = blocked_values.argmax(axis=1)
    row = np.arange(rows)
    better = np.where(blocked_values[row, better] > values[row, chosen], better, 0)
    return _told(weighing, options, values, free, blocks, order, better, held)


def _told(
    weighing: Weighing,
    options: Sequence[Action],
    values: Cents,
    free: Flags,
    blocks: Bits,
    order: npt.NDArray[np.int64],
    better: npt.NDArray[np.int64],
    held: Flags,
) -> Decisions:
    """The decisions in words and lists, from the places chosen."""
    rows = order.shape[0]
    row = np.arange(rows)
    chosen = order[:, 0]
    codes = [WAIT, *(action.code for action in options)]
    persons = legal.is_natural_person(weighing.cases.debtor)
    adverse = np.array([False, *(action.adverse for action in options)])
    promised = weighing.cases.promise_day >= weighing.as_of

    days = {bound: np.zeros(rows) for bound in ("expected", "lowest", "highest")}
    source = np.zeros(rows, np.int8)
    missing_documents: list[list[str]] = [[] for _ in range(rows)]
    for place, action in enumerate(options, start=1):
        taken, waited_for = chosen == place, better == place
        if taken.any():
            for bound, column in days.items():
                column[taken] = weighing.days(action, bound)[taken]
            source[taken] = weighing.source(action)[taken]
        if waited_for.any():
            for document, lacking in weighing.missing_documents(action).items():
                for i in np.flatnonzero(waited_for & lacking):
                    missing_documents[i].append(document)

    better_blocks = np.where(better > 0, blocks[row, better], 0)
    told_blocks = {bits: _names(bits) for bits in np.unique(better_blocks).tolist()}
    blocked_by = [
        ([NEEDS_NAMED_PERSON] if person else []) + told_blocks[bits]
        for bits, person in zip(
            better_blocks.tolist(), (adverse[chosen] & persons).tolist(), strict=True
        )
    ]
    semesters = weighing.interest.missing
    for i in np.flatnonzero(better_blocks & bit("missing_reference_rate")):
        name = legal.semester_name(int(semesters[i]))
        blocked_by[i][blocked_by[i].index("missing_reference_rate")] += f":{name}"

    others = order[:, 1 : 1 + ALTERNATIVES_SHOWN]
    worth = np.take_along_axis(values, others, axis=1).tolist()
    possible = np.take_along_axis(free, others, axis=1).tolist()
    alternatives = [
        [(codes[p], v) for p, v, may in zip(*parts, strict=True) if may]
        for parts in zip(others.tolist(), worth, possible, strict=True)
    ]
    waits = chosen == 0
    whys = ["held_out", "best_value", "open_promise", "blocked"]
    why = np.select([held, ~waits, promised, better > 0], whys, "nothing_pays")
    again = weighing.look_again(better_blocks, options)
    return Decisions(
        code=[codes[place] for place in chosen.tolist()],
        channel=_looked_up(["", *(action.channel for action in options)], chosen),
        on=np.where(waits, again, weighing.day),
        why=why.tolist(),
        expected_value_cents=values[row, chosen],
        effect_days=days["expected"],
        effect_lo=days["lowest"],
        effect_hi=days["highest"],
        effect_source=_looked_up(SOURCES, source.astype(np.int64)),
        blocked_action=_looked_up(["", *codes[1:]], better),
        blocked_by=blocked_by,
        alternatives=alternatives,
        legal_basis=_looked_up(["", *(action.legal_basis for action in options)], chosen),
        missing_documents=missing_documents,
        held_out=held,
    )


def _names(bits: int) -> list[str]:
    return [code for place, code in enumerate(BLOCKS) if bits >> place & 1]


def _looked_up(texts: Sequence[str], places: npt.NDArray[np.int64]) -> list[str]:
    return [texts[place] for place in places.tolist()]


# How each block is said after "but"; {semester} is the semester whose reference rate is missing.
BLOCK_SENTENCES = {
    "do_not_contact": ("il cliente non va contattato", "the customer must not be contacted"),
    "open_promise": ("c'è una promessa non ancora scaduta", "a promise is not yet due"),
    "dispute": ("l'importo è contestato", "the amount is disputed"),
    "unallocated_cash": ("c'è un incasso da abbinare", "there is cash to be matched first"),
    "sure_payer_of_a_small_amount": (
        "è un piccolo importo di chi paga puntuale",
        "it is a small amount of a customer who pays on time",
    ),
    "consumer": ("il cliente è un consumatore", "the customer is a consumer"),
    "quiet_period": ("il cliente è stato appena contattato", "the customer was just contacted"),
    "legal_order": ("manca il passo precedente", "the step before it is missing"),
    "missing_documents": ("mancano documenti", "documents are missing"),
    "capacity": ("per oggi non c'è più posto", "there is no room left for it today"),
    "missing_reference_rate": (
        "manca il tasso di riferimento del semestre {semester}",
        "the reference rate of {semester} is missing",
    ),
    NEEDS_NAMED_PERSON: ("decide una persona, con nome e cognome", "a named person must decide"),
}
WAIT_SENTENCES = {
    "open_promise": ("c'è una promessa di pagamento", "there is a promise to pay"),
    "held_out": (
        "il cliente è nel gruppo di controllo",
        "the customer is in the control group",
    ),
    "explored": ("si prova a non fare nulla", "it is being tried to do nothing"),
    "nothing_pays": ("nessuna azione vale quanto costa", "no action is worth its cost"),
    "blocked": ("ciò che conviene non si può fare ora", "what would pay can't be done now"),
}


def block_sentence(block: str, language: str) -> str:
    """One block in words."""
    code, _, semester = block.partition(":")
    if code not in BLOCK_SENTENCES:
        raise ValueError(f"block must be one of {', '.join(BLOCK_SENTENCES)}, got: {block}")
    said = BLOCK_SENTENCES[code][wording.checked(language) == "en"]
    return wording.fill(said, semester=semester)


def sentence(
    decisions: Decisions,
    row: int,
    catalogue: Catalogue,
    *,
    language: str,
    currency: str = "EUR",
) -> str:
    """The decision on one case in words: what, why, what it is worth, what stood in the way."""
    english = wording.checked(language) == "en"
    code, blocked = decisions.code[row], decisions.blocked_action[row]
    if code == WAIT:
        name = "wait" if english else "attendere"
        day = wording.quantity(float(decisions.on[row]), "date", language)
        reason = WAIT_SENTENCES[decisions.why[row]][english]
        look = f"look again on {day}" if english else f"si riguarda il {day}"
        said = f"{name}: {reason}; {look}"
    else:
        action = catalogue.action(code)
        name = action.en if english else action.it
        value = wording.quantity(
            float(decisions.expected_value_cents[row]), "cents", language, currency=currency
        )
        said = f"{name}: " + (f"worth {value}" if english else f"vale {value}")
        if (days := float(decisions.effect_days[row])) > 0:
            sooner = wording.quantity(days, "days", language)
            low, high = (
                wording.quantity(float(bound[row]), "number", language)
                for bound in (decisions.effect_lo, decisions.effect_hi)
            )
            said += (
                f", payment about {sooner} sooner ({low} to {high})"
                if english
                else f", incasso circa {sooner} prima (da {low} a {high})"
            )

    blocks = list(decisions.blocked_by[row])
    if NEEDS_NAMED_PERSON in blocks:
        blocks.remove(NEEDS_NAMED_PERSON)
        said += f"; {block_sentence(NEEDS_NAMED_PERSON, language)}"
    if blocked and blocks:
        better = catalogue.action(blocked)
        why = ", ".join(block_sentence(block, language) for block in blocks)
        said += (
            f"; better would be: {better.en}, but {why}"
            if english
            else f"; meglio sarebbe: {better.it}, ma {why}"
        )
    return said
