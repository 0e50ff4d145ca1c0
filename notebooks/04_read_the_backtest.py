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
# # Read the back-test: calibration, segments, drift
#
# At each origin a model is trained on what was known before it and asked two things: about the
# invoices issued in the next 30 days, each on its day of issue, and about all that was open. What
# came later judges it. The command line does the same: `puntuale backtest LEDGER --as-of ...`.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from pipelines.workbench import (
    backtest,
    backtest_figures,
    champion,
    day_of,
    desk,
    leak_verdict,
    monitor,
    read,
    train,
)

pd.options.display.float_format = "{:,.3f}".format
LEDGER = None  # or a folder of CSV or Parquet files, or a database URL
BEFORE_DAYS = (270, 210, 150)  # the origins, so many days before the ledger's last

# %%
job = desk(LEDGER)
ledger = read(job).ledger
origins = [day_of(job.as_of) - days for days in BEFORE_DAYS]
replayed = backtest(ledger, origins)
figures = backtest_figures(replayed, ledger)
print(f"{figures['rows']:,} predictions of {figures['customers']:,} customers at", end=" ")
print(*figures["origins"], sep=", ")

# %% [markdown]
# ## 1. Is it better than what one would do without it?
# Log-loss, lower is better, with 90 % intervals over customers. `gain` is what a simpler answerer
# loses against ours: where its interval holds zero, the difference may be luck.

# %%
rows = [
    {
        "test": cell["test"],
        "days": cell["horizon"],
        "who": who,
        "rows": cell["rows"],
        "came": cell["came"],
        "said": cell["said"],
        **{name: (told.get(name) or {}).get("value") for name in ("log_loss", "auc", "gain")},
        "gain_low": (told.get("gain") or {}).get("low"),
        "gain_high": (told.get("gain") or {}).get("high"),
    }
    for cell in figures["probabilities"]
    for who, told in cell["answerers"].items()
]
judged = pd.DataFrame(rows)
judged[judged.days.isin([0, 30])].set_index(["test", "days", "who"])

# %% [markdown]
# ## 2. Calibration
# Of the invoices that were given 30 %, three in ten should come late. Above the line, risk was
# understated.

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 4))
for ax, horizons in zip(axes, ((0,), (30, 60, 90)), strict=True):
    for part in figures["reliability"]:
        ours = part["by"] == "all" and part["who"] == "Puntuale"
        if ours and part["test"] == "portfolio" and part["horizon"] in horizons and part["bins"]:
            bins = pd.DataFrame(part["bins"])
            ax.plot(bins.predicted, bins.observed, marker="o", label=f"{part['horizon']} days")
    end = max(*ax.get_xlim(), *ax.get_ylim())
    ax.plot([0, end], [0, end], color="grey", linewidth=1)
    ax.set(title="asked of all that is open", xlabel="said", ylabel="came")
    ax.legend(title="still open after")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## 3. Segments
# A good mean may hide a group that is judged badly. `thin` and `none` are customers with little
# history: there the peers answer.

# %%
segments = pd.DataFrame(figures["segments"])
wanted = segments[(segments.horizon == 0) & (segments.test == "portfolio")]
pd.DataFrame(
    {
        "by": wanted["by"],
        "segment": wanted.segment,
        "rows": wanted.rows,
        "said": wanted.said,
        "came": [cell["value"] for cell in wanted.came],
        "log_loss": [cell["value"] for cell in wanted.log_loss],
        "curve": [cell["value"] for cell in wanted.curve_log_loss],
    }
).set_index(["by", "segment"])

# %% [markdown]
# ## 4. Dates and cash

# %%
dates = [
    {"test": cell["test"], "who": who, **{name: told[name]["value"] for name in told}}
    for cell in figures["dates"]
    for who, told in cell["answerers"].items()
]
pd.DataFrame(dates).set_index(["test", "who"])

# %%
weeks = replayed.cash.to_pandas().query("cut == cut.max()")
figure, ax = plt.subplots(figsize=(8, 3))
ax.fill_between(weeks.week, weeks.low_cents / 100, weeks.high_cents / 100, alpha=0.2, label="80 %")
ax.plot(weeks.week, weeks.expected_cents / 100, label="expected")
ax.plot(weeks.week, weeks.came_cents / 100, marker="o", linestyle="", label="came")
ax.set(title="Cash of what was open at the last origin", xlabel="week", ylabel="euro")
ax.legend()
plt.show()

# %% [markdown]
# ## 5. Drift
# Base rates move: the share that came late, origin by origin, beside what was said. A model is
# trained again where that, its inputs or its age speak against it.

# %%
by_origin = segments[(segments["by"] == "origin") & (segments.horizon == 0)]
pd.DataFrame(
    {
        "origin": by_origin.segment,
        "test": by_origin.test,
        "said": by_origin.said,
        "came": [cell["value"] for cell in by_origin.came],
    }
).pivot(index="origin", columns="test", values=["said", "came"])

# %%
if not (job.settings.models_folder / "CHAMPION").exists():
    train(job)
health = monitor(job, champion(job.settings))
print(*(health.lines() or ["nothing speaks against the model that answers"]), sep="\n")

# %% [markdown]
# ## 6. The leak test of the first origin
# Training and prediction again with another future: the same trees and the same bits, or there is a
# leak.

# %%
verdict = leak_verdict(ledger, replayed)
print(f"as of {np.datetime64(verdict.origin, 'D')}: {verdict.rows:,} predictions,", end=" ")
print(f"{verdict.different_rows} different; {'passed' if verdict.passed else 'LEAK'}")
