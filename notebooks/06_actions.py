# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Actions: effects, overlap, what a policy is worth, your own catalogue
#
# What to do next is decided by what actions cost and change. Their effects begin as the catalogue's
# priors and are learned where the log of actions holds enough of both choices side by side; where
# it does not, that is said. On a ledger without a log of actions the first sections show the
# priors alone.

# %%
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import pandas as pd

from pipelines.simulation import contest
from pipelines.workbench import (
    Catalogue,
    action_log,
    champion,
    compare_policies,
    day_of,
    decisions,
    desk,
    learn_effects,
    policy_in_force,
    read,
    score,
    train,
)

pd.options.display.float_format = "{:,.2f}".format
LEDGER = None  # or a folder of CSV or Parquet files, or a database URL
CUSTOMERS, DAYS = 60, 120  # of the invented company in section 4

# %%
job = desk(LEDGER)
ledger, today = read(job).ledger, day_of(job.as_of)
catalogue = policy_in_force(job.settings).catalogue
pd.DataFrame(
    [
        {
            "code": action.code,
            "channel": action.channel,
            "cost": action.cost_eur,
            "from day": action.from_day,
            "needs": ", ".join(map(str, action.needs)),
            "adverse": action.adverse,
        }
        for action in catalogue.enabled
    ]
).set_index("code")

# %% [markdown]
# ## 1. The log
# Each decision: what was done with whom, how likely it was, and what came of it.

# %%
log = action_log(ledger, today)
print(f"{log.num_rows:,} decisions")
log.to_pandas().groupby("action_code")[["days", "unpaid"]].agg(["count", "mean"])

# %% [markdown]
# ## 2. What actions change, and where nothing can be told
# `overlap` is how many customers the comparison is worth: those who were treated and those who were
# left alone in like cases. Too few, and the prior stands.

# %%
learned = learn_effects(decisions(log), catalogue, as_of=job.as_of)
effects = pd.DataFrame(
    [
        {
            "action": belief.action,
            "cause": belief.stratum,
            "outcome": belief.outcome,
            "effect": belief.effect.expected,
            "lowest": belief.effect.lowest,
            "highest": belief.effect.highest,
            "source": belief.source,
            "overlap": belief.estimate.overlap.effective,
            "not identified": belief.estimate.lacking,
        }
        for belief in learned.beliefs
    ]
)
effects[effects.outcome == "days"].set_index(["action", "cause"]).head(12)

# %%
days = effects[effects.outcome == "days"].drop_duplicates("action").set_index("action")
figure, ax = plt.subplots(figsize=(8, 4))
ax.errorbar(
    days.effect,
    range(len(days)),
    xerr=[days.effect - days.lowest, days.highest - days.effect],
    fmt="o",
)
ax.set_yticks(range(len(days)), [f"{code} ({days.source[code]})" for code in days.index])
ax.axvline(0, color="grey", linewidth=1)
ax.set(title="Days sooner, with the interval that is believed")
plt.show()

# %% [markdown]
# ## 3. What other ways of dunning would have brought
# Told off the log, by importance weighting and doubly robustly: euro a decision, nearer to zero is
# better. A policy that the log never followed in like cases is "not identified".

# %%
pd.DataFrame(
    [
        {
            "policy": valued.policy,
            "value": valued.doubly_robust.value,
            "lowest": valued.doubly_robust.lowest,
            "highest": valued.doubly_robust.highest,
            "why not": valued.doubly_robust.lacking,
        }
        for valued in compare_policies(log, catalogue.economics)
    ]
).set_index("policy")

# %% [markdown]
# ## 4. Where the truth is known
# The same months of an invented company, lived under each policy by the same team. The oracle knows
# every true effect. A company so small is told by luck as well: `docs/benchmarks.md` has twenty.

# %%
met = contest.run(1, customers=CUSTOMERS, days=DAYS, learn=False)
net = pd.Series({name: told.net_eur for name, told in met.scores.items()}).sort_values()
net.plot.barh(figsize=(8, 3.5), title="Net euro in an invented company")
plt.show()

# %% [markdown]
# ## 5. Your own catalogue
# A TOML file says what is otherwise: here calls cost more and letters by registered mail are not
# sent. Name it in `PUNTUALE_CATALOGUE` and every door follows it.

# %%
OURS = """
[actions.call]
cost_eur = 25.0

[actions.messa_in_mora]
enabled = false
"""
with TemporaryDirectory() as folder:
    path = Path(folder) / "ours.toml"
    path.write_text(OURS)
    ours = Catalogue.load(path)
print(f"call: {catalogue.action('call').cost_eur} -> {ours.action('call').cost_eur} euro")

# %%
if not (job.settings.models_folder / "CHAMPION").exists():
    train(job)
model = champion(job.settings)
in_force = policy_in_force(job.settings)
advised = {
    name: score(ledger, today, model, policy=policy).to_pandas().action.str["code"].value_counts()
    for name, policy in {
        "in force": in_force,
        "ours": replace(in_force, catalogue=ours),
    }.items()
}
pd.DataFrame(advised).fillna(0).astype(int)
