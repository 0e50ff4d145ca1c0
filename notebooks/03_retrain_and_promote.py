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
# # Retrain, compare with the champion, promote, roll back
#
# A model may answer only if it can tell late from not late, and loses neither to the model that
# answers now nor to the customer's own payment curve. Here one is trained twice on a ledger, with a
# year between, and then the first one answers again. It works in the home folder of the settings
# (`PUNTUALE_HOME`); without any, in a folder `.puntuale` beside this notebook.

# %%
from datetime import timedelta

import matplotlib.pyplot as plt
import pandas as pd

from pipelines.workbench import (
    LatePaymentClassifier,
    champion,
    desk,
    read,
    roll_back,
    train,
    training_questions,
    versions,
)

pd.options.display.float_format = "{:,.4f}".format
pd.options.display.max_colwidth = 120
LEDGER = None  # or a folder of CSV or Parquet files, or a database URL
EARLIER_DAYS = 90  # how long before today the first model is trained

# %%
job = desk(LEDGER)
then = desk(LEDGER, as_of=job.as_of - timedelta(days=EARLIER_DAYS))
ledger = read(job).ledger

# %% [markdown]
# ## 1. The first model
# As of a day in the past: nothing that came later is seen. The recipe is fitted anew on what was
# known when the last matured window began, and judged on that window; the figures are of it.

# %%
first = train(then)
print(f"{first.version}: {'promoted' if first.promoted else 'not promoted'}")
print(*first.why, sep="\n")

# %%
pd.DataFrame(first.summary()).pivot_table(
    index=["test", "horizon"], columns="who", values=["log_loss", "auc"]
)

# %% [markdown]
# ## 2. The second, against the champion
# The same steps as of today. Whoever answers now is asked about the same invoices.

# %%
second = train(job)
print(f"{second.version}: {'promoted' if second.promoted else 'not promoted'}")
print(*second.why, sep="\n")

# %%
compared = pd.DataFrame(second.summary())
surprise = compared.pivot_table(index=["test", "horizon"], columns="who", values="log_loss")
surprise.plot.barh(figsize=(8, 4), title="Log-loss on the last matured window: lower is better")
plt.show()

# %% [markdown]
# ## 3. What is kept of each
# MLflow has the model's files, figures, parameters and fingerprints of data, features and code; the
# verdict and its reasons stand on the version.

# %%
listed = pd.DataFrame([vars(version) for version in versions(job.settings)])
listed[["number", "version", "aliases", "verdict"]]

# %%
model = champion(job.settings)
facts = model.model.facts
kept = ("cut_off", "snapshots", "labels", "tuned", "feature_book")
pd.Series({**{name: facts[name] for name in kept}, "weights": model.model.weights}).to_frame("")

# %% [markdown]
# ## 4. Back to the one before
# Only what was champion once can be again. Nothing is deleted: the later model stays a version.

# %%
if sum(version.verdict == "promoted" for version in versions(job.settings)) > 1:
    later = champion(job.settings).version
    print("answers again:", roll_back(job.settings).version)
    print("and the later one:", roll_back(job.settings, later).version)
else:
    print("only one model has been promoted: there is none to go back to")
pd.DataFrame([vars(version) for version in versions(job.settings)])[["version", "aliases"]]

# %% [markdown]
# ## 5. The same by hand
# The estimator is the model without the house around it. With all the questions of a cut-off it is
# the very model that `train` made.

# %%
X, y = training_questions(ledger, cut_off=job.as_of)
own = LatePaymentClassifier(ledger, cut_off=job.as_of).fit(X, y)
print(f"{len(X):,} questions, {y.mean():.1%} still open; the blend's weights {own.model_.weights}")
pd.DataFrame({"horizon_days": X.horizon_days, "said": own.predict_proba(X)[:, 1], "came": y}).query(
    "horizon_days in (0, 30, 60, 90)"
).groupby("horizon_days").mean()
