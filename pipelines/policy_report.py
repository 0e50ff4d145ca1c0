"""The report on policies: what others would have brought, told from the log of actions.

Each policy says what it would have done in each logged decision, knowing what was known then. Its
value follows by SNIPS and doubly robustly, with 90 % intervals, or is "not identified" with the
reason. Where a simulation was run, its comparison stands beside.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.action import Economics
from models.decision_log import WAIT, DecisionLog
from models.durable import make, write
from models.policy_value import Evaluation, PolicyValue
from pipelines import action_log
from pipelines.simulation.contest import Contest

TEMPLATES = Path(__file__).parent / "templates"
PAGE, FIGURES = "policy.html", "policy.json"
LADDER = ((10, "reminder_1"), (25, "reminder_2"), (40, "final_reminder"))
CALLED_FROM, CALLED_FOR = (25, 40), 10  # from which days past due the age rule calls, how long
CALLED_SHARE = 0.10  # of the decisions, where the log has no calls to tell how many a team makes

Words = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]
Told = dict[str, Any]


@dataclass(frozen=True)
class Valued:
    """One policy's value by decision in the ledger's currency, both ways."""

    policy: str
    snips: PolicyValue
    doubly_robust: PolicyValue


def compare(table: pa.Table, economics: Economics) -> list[Valued]:
    """The value of every policy on a log (LOG_SCHEMA), what was done first."""
    log = action_log.decisions(table)
    reward = action_log.worth_eur(table, economics)
    if not len(log) or np.isnan(reward).all():
        nothing = _silent("no decision whose outcome is known yet")
        return [Valued(name, nothing, nothing) for name in ("current_practice", *POLICIES)]
    evaluation = Evaluation.of(log, reward)
    done = evaluation.logged()
    answers = [Valued("current_practice", done, done)]
    return answers + [_valued(name, of(table), log, evaluation) for name, of in POLICIES.items()]


def _valued(name: str, chosen: Words, log: DecisionLog, evaluation: Evaluation) -> Valued:
    """A policy's value; what the log never holds, or the policy can't say, is not identified."""
    if (chosen == "").any():
        share = float((chosen == "").mean())
        silent = _silent(f"in {share:.0%} of the decisions the log lacks what it goes by")
        return Valued(name, silent, silent)
    unknown = sorted(set(chosen.tolist()) - set(log.codes))
    if unknown:
        silent = _silent(f"its choices were never made: {', '.join(unknown)}")
        return Valued(name, silent, silent)
    target = (chosen[:, None] == np.array(log.codes)[None, :]).astype(np.float64)
    return Valued(name, evaluation.snips(target), evaluation.doubly_robust(target))


def _silent(why: str) -> PolicyValue:
    nan = float("nan")
    return PolicyValue(nan, nan, nan, nan, 0.0, 1.0, 0.0, why)


def _recommended(table: pa.Table) -> Words:
    return np.array(table["recommended_action"].fill_null("").to_pylist(), np.str_)


def _wait(table: pa.Table) -> Words:
    return np.full(table.num_rows, WAIT, "U32")


def _age_letters(table: pa.Table) -> Words:
    chosen, late = _wait(table), table["days_past_due"].to_numpy()
    for from_day, code in LADDER:
        chosen[late >= from_day] = code
    return chosen


def _age_calls(table: pa.Table) -> Words:
    chosen, late = _age_letters(table), table["days_past_due"].to_numpy()
    for from_day in CALLED_FROM:
        chosen[(late >= from_day) & (late < from_day + CALLED_FOR)] = "call"
    return chosen


def _largest(table: pa.Table) -> Words:
    return _called(table, table["open_cents"].to_numpy().astype(np.float64))


def _riskiest(table: pa.Table) -> Words:
    return _called(table, table["p_unpaid_180"].to_numpy())


def _called(table: pa.Table, urgency: Floats) -> Words:
    """As many calls as were made, to the most urgent of those past due."""
    chosen = _wait(table)
    if np.isnan(urgency).any():
        chosen[np.isnan(urgency)] = ""
        return chosen
    done = np.array(table["action_code"].to_pylist(), np.str_)
    calls = int((done == "call").sum()) or int(CALLED_SHARE * len(chosen))
    late = table["days_past_due"].to_numpy() > 0
    order = np.argsort(np.where(late, -urgency, np.inf), kind="stable")[:calls]
    chosen[order[late[order]]] = "call"
    return chosen


POLICIES: Mapping[str, Callable[[pa.Table], Words]] = {
    "wait": _wait,
    "age_letters": _age_letters,
    "age_calls": _age_calls,
    "call_largest": _largest,
    "call_riskiest": _riskiest,
    "recommended": _recommended,
}


def told(valued: Sequence[Valued], contest: Contest | None, *, as_of: str, decisions: int) -> Told:
    """The report as JSON holds it: no NaN, which is null."""
    simulated = None
    if contest is not None:
        simulated = {
            "seed": contest.seed,
            "customers": contest.customers,
            "invoices": contest.invoices,
            "decisions_by_lot": contest.decisions_by_lot,
            "scores": [
                asdict(score) | {"share_of_oracle": contest.share_of_oracle(name)}
                for name, score in contest.scores.items()
            ],
        }
    from_log = [
        {"policy": v.policy, "snips": _value(v.snips), "doubly_robust": _value(v.doubly_robust)}
        for v in valued
    ]
    return {"as_of": as_of, "decisions": decisions, "log": from_log, "simulated": simulated}


def _value(value: PolicyValue) -> Told:
    figures = asdict(value)
    numbers = {k: v for k, v in figures.items() if isinstance(v, float)}
    return figures | {k: None for k, v in numbers.items() if not np.isfinite(v)}


def publish(report: Told, folder: Path) -> list[Path]:
    """Write the page and the JSON into the folder; the files."""
    make(folder)
    write(folder / PAGE, page(report).encode())
    text = json.dumps(report, indent=1, allow_nan=False) + "\n"
    write(folder / FIGURES, text.encode())
    return [folder / PAGE, folder / FIGURES]


def page(report: Told) -> str:
    """The page: one HTML text that asks nothing of the network, light or dark as the reader is."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {
        "money": lambda eur: f"{eur:,.2f}",
        "grouped": lambda value: f"{value:,.0f}",
        "percent": lambda share: f"{100 * share:.1f} %",
    }
    return environment.get_template("policy.html").render(told=report, names=NAMES)


NAMES = {
    "current_practice": "what is done today",
    "wait": "waiting always",
    "age_letters": "letters at +10, +25, +40 days",
    "age_calls": "the same letters, calls at +25 and +40",
    "call_largest": "calling whoever owes most",
    "call_riskiest": "calling whoever is likeliest not to pay",
    "recommended": "what Puntuale recommended",
    "ours_priors": "Puntuale with the catalogue's effects",
    "ours_learned": "Puntuale after a year of log",
    "true_means": "Puntuale told the true mean effects",
    "hinted_oracle": "Puntuale told every customer's true reactions, seeing what anybody sees",
    "oracle": "Puntuale told every true effect",
}
