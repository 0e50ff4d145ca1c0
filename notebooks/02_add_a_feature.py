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
# # Add a feature, and prove that it can't leak
#
# A feature is one expression over the streams of a ledger's events: what it sees ends where the day
# it is asked about begins. Here one is tried beside the book, put through the leak test together
# with a cheat that must be caught, and judged on customers it has not seen. Name a folder of your
# own in `LEDGER` to try it on yours.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, cross_val_predict

from pipelines import settlement
from pipelines.streams import paid, settled
from pipelines.workbench import (
    LedgerFeatures,
    another_future,
    day_of,
    described,
    desk,
    read,
    training_questions,
)

pd.options.display.float_format = "{:,.4f}".format
pd.options.display.max_colwidth = 100
LEDGER = None  # or a folder of CSV or Parquet files, or a database URL

# %%
job = desk(LEDGER)
ledger = read(job).ledger
ledger

# %% [markdown]
# ## 1. What there is
# Every feature of the book by family, with its definition as it is worked out.

# %%
book = pd.DataFrame(described()).set_index("name")[["family", "definition"]]
book.groupby("family").head(1)

# %% [markdown]
# ## 2. Two that are not in it
# How late the customer's payments of the last 45 days were on average, and the share of them that
# came in a run with others: weeks are nearer to today than the book's 90 days.

# %%
more = {
    "delay_mean_45": settled.mean("delay", 45),
    "run_share_45": paid.share("in_run", 45, equal=1),
}
X, y = training_questions(ledger, cut_off=job.as_of)
X30, y30 = X[X.horizon_days == 30].reset_index(drop=True), y[X.horizon_days == 30]
tried = LedgerFeatures(ledger, more=more).set_output(transform="pandas").fit(X30)
shown = tried.transform(X30)
shown[list(more)].describe().T.assign(missing=shown[list(more)].isna().mean())

# %% [markdown]
# A look: the share still open 30 days after the due date, by tenths of the new feature.

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3), sharey=True)
for ax, name in zip(axes, more, strict=True):
    tenths = pd.qcut(shown[name], 10, duplicates="drop")
    late = pd.Series(y30).groupby(tenths, observed=True).mean()
    ax.plot(shown[name].groupby(tenths, observed=True).mean(), late, marker="o")
    ax.set(title=name, xlabel="mean of the tenth", ylim=(0, None))
axes[0].set_ylabel("share open 30 days after due")
plt.show()

# %% [markdown]
# ## 3. The leak test
# The ledger is cut on a day and given another future: all that is open is paid at once, credited
# and disputed, and every customer buys again. What is said of that day must not change by a bit.

# %%
origin = day_of(job.as_of) - 90
other = another_future(ledger, origin)
there = X30.invoice_id.isin(other.invoices["invoice_id"].to_pylist())
then = X30[there & (X30.as_of < np.datetime64(origin, "D"))].reset_index(drop=True)
now = LedgerFeatures(ledger, more=more).fit(then).transform(then)
elsewhere = LedgerFeatures(other, more=more).fit(then).transform(then)
print(f"{len(then):,} questions, {now.shape[1]} features,", end=" ")
print(f"{(~((now == elsewhere) | (np.isnan(now) & np.isnan(elsewhere)))).sum()} different values")

# %% [markdown]
# A test that nothing can fail proves nothing. This column is a cheat: how long the invoice took to
# be paid, read where it lies. It tells the answer perfectly, and the test sees it.

# %%
taken_days, elsewhere_days = (
    pd.Series(
        settlement.settle(known).settled_day,
        index=known.invoices["invoice_id"].to_pylist(),
    ).reindex(then.invoice_id)
    for known in (ledger, other)
)
print(f"{(taken_days.to_numpy() != elsewhere_days.to_numpy()).sum():,} values of the cheat differ")

# %% [markdown]
# ## 4. Does it help?
# Judged on customers that the model has not seen, against the same model without it. A difference
# in log-loss under about 0.003 is noise.

# %%
customers = ledger.invoices.select(["invoice_id", "customer_id"]).to_pandas()
groups = X30.invoice_id.map(customers.set_index("invoice_id").customer_id)
trees = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=7)
columns = {"the book": shown.drop(columns=list(more)), "the book and these": shown}
judged = {}
for name, seen in columns.items():
    split = GroupKFold(3)
    p = cross_val_predict(trees, seen, y30, groups=groups, cv=split, method="predict_proba")[:, 1]
    judged[name] = {"log-loss": log_loss(y30, p), "mean said": p.mean(), "came": y30.mean()}
pd.DataFrame(judged).T

# %% [markdown]
# ## 5. Into the book
# What earns its place becomes a line in its family's file, `pipelines/features/delays.py`:
#
# ```python
# feature(
#     "delay_mean_45",
#     settled.mean("delay", 45),
#     "days_late",
#     (-5, 30),
#     it="paga in media {value} negli ultimi 45 giorni (di solito {usual})",
#     en="pays on average {value} over the last 45 days (usually {usual})",
# )
# ```
#
# The tests then ask it of every engine, in the slow obvious one too, and put the whole book through
# the leak tests; the book's fingerprint changes, so that an older model is never asked with it.
