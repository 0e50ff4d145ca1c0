"""Learned effects: from the log of actions to what the decision believes, kept as a file.

The recipe that is run by hand or by night: read the log, estimate, shrink to the catalogue, write
`effects.toml`, log to MLflow. The file (`EffectTable.load` reads it) holds what the log identifies,
with intervals and sources, and says of the rest why it does not; there the priors stand.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa

from models import durable, effects, shrinkage
from models.action import Effect
from models.catalogue import Catalogue
from models.decision_log import UNKNOWN, WAIT, DecisionLog
from models.effect_table import EffectTable, LearnedEffect
from models.effects import Measure
from models.registry import Registry
from models.shrinkage import Belief, Priors
from pipelines import action_log, policies
from pipelines.action_log import DAYS, UNPAID
from pipelines.job import Job, day_number
from pipelines.ledger import Ledger
from pipelines.plan_record import PlanRecord
from pipelines.store import ScoreStore

FILE = "effects.toml"
ENOUGH = 200  # decisions whose outcome is known, some to wait and some not: fewer teach nothing
Outcome = Literal["days", "unpaid"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_MEASURES: Mapping[str, Measure] = {DAYS: "fall", UNPAID: "share"}  # as the catalogue counts them
_MOST = {DAYS: 365.0, UNPAID: 1.0}  # what the catalogue takes for possible


@dataclass(frozen=True)
class Learned:
    """What a log taught: a belief for each outcome, action and stratum."""

    as_of: date
    decisions: int
    beliefs: tuple[Belief, ...]

    def table(self) -> EffectTable:
        """What the decision reads: the effects of which the log says something."""
        return EffectTable.of(_rows(self.beliefs))

    def figures(self) -> dict[str, float]:
        """How much was learned, for a run's metrics."""
        sources = [belief.source for belief in self.beliefs]
        told = [belief for belief in self.beliefs if belief.source != "prior"]
        return {
            "decisions": self.decisions,
            "estimates": len(sources),
            **{source: sources.count(source) for source in get_args(effects.Source)},
            "weight_of_the_log": sum(b.weight for b in told) / max(len(told), 1),
        }


def learn(log: DecisionLog, catalogue: Catalogue, *, as_of: date, seed: int = 0) -> Learned:
    """The effects of the catalogue's actions; what was done under other names teaches nothing."""
    known = {action.code for action in catalogue.actions}
    estimates = [
        estimate
        for outcome in OUTCOMES
        for estimate in effects.estimate(log, outcome, measure=_MEASURES[outcome], seed=seed)
        if estimate.action in known
    ]
    believed: Priors = {o: priors(catalogue, log.strata, o) for o in OUTCOMES}
    return Learned(as_of, len(log), tuple(shrinkage.shrink(estimates, believed)))


def priors(
    catalogue: Catalogue, strata: Sequence[str], outcome: Outcome
) -> dict[tuple[str, str], Effect]:
    """The catalogue's effect of each action in each stratum, that of its cause."""
    found = {}
    for action in catalogue.actions:
        of = action.days if outcome == DAYS else action.unpaid
        for stratum in strata:
            found[action.code, stratum] = of.get(_cause(stratum)[0], of[UNKNOWN])
    return found


def teach(job: Job, ledger: Ledger, *, registry: Registry | None = None) -> Learned | None:
    """What an installation's log taught, kept for its next nights; None where it is too short.

    A log that is too short leaves what was learned before as it is.
    """
    settings = job.settings
    advised = PlanRecord(ScoreStore(settings.scores_folder)).read(job.as_of)
    table = action_log.read(ledger, day_number(job.as_of), advised=advised)
    if not is_enough(table):
        return None
    catalogue = policies.in_force(settings).catalogue
    learned = learn(action_log.decisions(table), catalogue, as_of=job.as_of)
    keep(learned, settings.effects_file.parent)
    if registry is not None:
        log(registry, learned)
    return learned


def is_enough(table: pa.Table) -> bool:
    """Whether a log holds enough decisions of both kinds whose outcome is known."""
    known = table.filter(table[DAYS].is_valid())["action_code"].to_pylist()
    return len(known) >= ENOUGH and 0 < known.count(WAIT) < len(known)


def keep(learned: Learned, folder: Path) -> None:
    """Write the file that the decision reads."""
    durable.make(folder)
    durable.write(folder / FILE, to_toml(learned).encode())


def run(
    ledger: Ledger,
    *,
    as_of: date,
    catalogue: Catalogue,
    folder: Path,
    registry: Registry | None = None,
    scored: pa.Table | None = None,
    by_segment: bool = False,
) -> Learned:
    """Learn from what was known before the day, and keep it in the folder and in MLflow."""
    table = action_log.read(ledger, day_number(as_of), scored=scored)
    learned = learn(action_log.decisions(table, by_segment=by_segment), catalogue, as_of=as_of)
    keep(learned, folder)
    if registry is not None:
        log(registry, learned)
    return learned


def log(registry: Registry, learned: Learned) -> str:
    """A run for what was learned and, below it, one for each estimate; the id of the first."""
    return registry.log_effects(
        f"effects {learned.as_of}",
        dict(_numbers(learned.beliefs)),
        parameters={"as_of": str(learned.as_of)},
        metrics=learned.figures(),
        table={"beliefs": [_told(belief) for belief in learned.beliefs]},
    )


def to_toml(learned: Learned) -> str:
    """The file: effects as [expected, lowest, highest], then why others are not identified."""
    parts = [
        "# What the log of actions taught; written by puntuale, read in place of the priors.\n"
        f"as_of = {learned.as_of}\ndecisions = {learned.decisions}"
    ]
    for row in _rows(learned.beliefs):
        parts.append("[[effects]]\n" + _lines(row._asdict()))
    for belief in learned.beliefs:
        if belief.estimate.lacking:
            cause, segment = _cause(belief.stratum)
            why = {
                "action": belief.action,
                "outcome": belief.outcome,
                "cause": cause,
                "segment": segment,
                "why": belief.estimate.lacking,
            }
            parts.append("[[not_identified]]\n" + _lines(why))
    return "\n\n".join(parts) + "\n"


def _rows(beliefs: Sequence[Belief]) -> Iterator[LearnedEffect]:
    """Both outcomes of an action and stratum together, where the log moved either.

    The source is that of the days where they are identified, else that of the risk.
    """
    of = {(b.outcome, b.action, b.stratum): b for b in beliefs}
    for action, stratum in dict.fromkeys((b.action, b.stratum) for b in beliefs):
        days, unpaid = of[DAYS, action, stratum], of[UNPAID, action, stratum]
        source = unpaid.source if days.source == "prior" else days.source
        if max(days.weight, unpaid.weight) > 0:
            cause, segment = _cause(stratum)
            yield LearnedEffect(action, _possible(days), _possible(unpaid), source, cause, segment)


def _possible(belief: Belief) -> Effect:
    most = _MOST[belief.outcome]
    of = belief.effect
    kept = (max(-most, min(most, x)) for x in (of.expected, of.lowest, of.highest))
    return Effect(*(round(x, 6) for x in kept))


def _cause(stratum: str) -> tuple[str, str]:
    cause, _, segment = stratum.partition("/")
    return cause, segment


def _numbers(beliefs: Sequence[Belief]) -> Iterator[tuple[str, dict[str, float]]]:
    """The figures of each identified estimate, under its name."""
    for belief in beliefs:
        if belief.source != "prior":
            told = {k: v for k, v in _told(belief).items() if isinstance(v, int | float)}
            yield " ".join((belief.outcome, belief.action, belief.stratum)), told


def _told(belief: Belief) -> dict[str, Any]:
    """A belief with the estimate behind it, as JSON holds it."""
    e, overlap = belief.estimate, belief.estimate.overlap
    return {
        "outcome": belief.outcome,
        "action": belief.action,
        "stratum": belief.stratum,
        "source": belief.source,
        "expected": belief.effect.expected,
        "lowest": belief.effect.lowest,
        "highest": belief.effect.highest,
        "weight": belief.weight,
        "estimate": e.effect if math.isfinite(e.effect) else None,
        "error": e.error if math.isfinite(e.error) else None,
        "rows": overlap.rows,
        "customers": overlap.customers,
        "overlap_share": overlap.share,
        "effective_action": overlap.effective_action,
        "effective_wait": overlap.effective_wait,
        "largest_weight": overlap.largest_weight,
        "not_identified": e.lacking,
    }


def _lines(values: Mapping[str, object]) -> str:
    """Keys and values; texts and numbers are written alike in JSON and in TOML."""
    return "\n".join(f"{name} = {_value(value)}" for name, value in values.items())


def _value(value: object) -> str:
    if isinstance(value, Effect):
        return json.dumps([value.expected, value.lowest, value.highest])
    return json.dumps(value, ensure_ascii=False)
