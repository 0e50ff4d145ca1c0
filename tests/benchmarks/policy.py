"""What policies are worth in the simulator, seed by seed, and what else says how good they are.

Run it: python tests/benchmarks/policy.py [--seeds 20] [--customers 600] [--workers 1]
[--coverage-runs 200] [--invoices 1000000]. It prints a table and writes build/bench/policy.json.
Runs of coverage and invoices to decide may be 0: their figures are then left out.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from pipelines.simulation import contest, rivals
from pipelines.simulation.contest import HINTED, LEARNED, MEANS, ORACLE, PRIORS, Contest

OUT = Path("build/bench/policy.json")


def figures(contests: Sequence[Contest]) -> dict[str, float]:
    """The figures of the targets, as means over seeds of each seed's own share."""

    def mean_share(policy: str, oracle: str = ORACLE) -> float:
        return statistics.fmean(c.share_of_oracle(policy, oracle) for c in contests)

    def in_all(policy: str) -> float:
        return sum(c.scores[policy].net_eur for c in contests)

    def contacts(policy: str) -> float:
        return statistics.fmean(c.scores[policy].contacts_per_customer for c in contests)

    def above(policy: str) -> int:
        return sum(c.scores[policy].net_eur > c.scores[c.best_rule].net_eur for c in contests)

    return {
        "seeds": len(contests),
        "share_of_oracle_learned": mean_share(LEARNED),
        "share_of_oracle_prior": mean_share(PRIORS),
        "share_of_oracle_true_means": mean_share(MEANS),
        "share_of_oracle_hinted": mean_share(HINTED),
        "share_of_hinted_oracle_learned": mean_share(LEARNED, HINTED),
        "share_of_hinted_oracle_prior": mean_share(PRIORS, HINTED),
        "share_of_oracle_best_rule": statistics.fmean(
            c.share_of_oracle(c.best_rule) for c in contests
        ),
        "share_of_oracle_learned_in_all": in_all(LEARNED) / in_all(ORACLE),
        "share_of_oracle_prior_in_all": in_all(PRIORS) / in_all(ORACLE),
        "share_of_true_means_learned_in_all": in_all(LEARNED) / in_all(MEANS),
        "share_of_true_means_prior_in_all": in_all(PRIORS) / in_all(MEANS),
        "seeds_above_best_rule": above(LEARNED),
        "seeds_above_best_rule_prior": above(PRIORS),
        "contacts_learned": contacts(LEARNED),
        "contacts_age_letters": contacts("age_letters"),
        "contacts_age_calls": contacts("age_calls"),
        "contacts_call_largest": contacts("call_largest"),
        "trial_year_share": statistics.fmean(c.trial_share for c in contests),
    }


def show(contests: Sequence[Contest]) -> None:
    """Each policy over all seeds, then each seed."""
    names = [*rivals.RULES, *contest.OURS]
    print(f"{'a year, EUR a customer':24}{'net':>9}{'sooner':>9}{'avoided':>9}{'cost':>9}", end="")
    print(f"{'relation':>9}{'given up':>9}{'contacts':>9}{'of oracle':>10}")
    for name in names:
        scores = [c.scores[name] for c in contests]
        parts = ("net", "sooner", "avoided", "cost", "relationship", "given_up")
        per = [
            statistics.fmean(getattr(c.scores[name], f"{part}_eur") / c.customers for c in contests)
            for part in parts
        ]
        contacts = statistics.fmean(s.contacts_per_customer for s in scores)
        share = statistics.fmean(c.share_of_oracle(name) for c in contests)
        print(f"{name:24}", *(f"{x:8.1f}" for x in (*per, contacts)), f"{100 * share:8.1f} %")
    print("\nseed   priors  learned  true means  hinted  best rule, of the oracle")
    for c in contests:
        shares = [100 * c.share_of_oracle(p) for p in (PRIORS, LEARNED, MEANS, HINTED, c.best_rule)]
        print(f"{c.seed:4}", *(f"{x:8.1f}" for x in shares), " ", c.best_rule)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=101)
    parser.add_argument("--customers", type=int, default=contest.CUSTOMERS)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--coverage-runs", type=int, default=200)
    parser.add_argument("--invoices", type=int, default=1_000_000)
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    contests = []
    with ProcessPoolExecutor(given.workers) as workers:
        for done in workers.map(partial(contest.run, customers=given.customers), seeds):
            contests.append(done)
            share = done.share_of_oracle(LEARNED)
            print(f"seed {done.seed}: learned {share:.3f} of the oracle", flush=True)
    show(contests)
    found = figures(contests)
    sys.path.insert(0, str(Path(__file__).parent))  # its neighbours
    if given.coverage_runs:
        import policy_coverage

        told = policy_coverage.figures(given.coverage_runs)
        found |= {name: told[name] for name in ("ope_coverage", "effect_coverage")}
    if given.invoices:
        import decide

        found["decide_1m_s"] = decide.seconds(given.invoices)
    for name, value in found.items():
        print(f"{name:40}{value:10.3f}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"figures": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
