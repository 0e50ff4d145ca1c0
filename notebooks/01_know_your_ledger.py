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
# # Know your ledger
#
# Before any model: what came in and what was set aside, how customers pay, and two ways of
# counting that make every later figure look better than it is. It runs on the invented ledger of
# 200 customers; put a folder of your own in `SOURCE` to see yours (the last two sections then use
# your own history).

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from models import metrics
from pipelines import dates, settlement, sources, synthetic
from pipelines.ledger import NEVER, days

pd.options.display.float_format = "{:,.3f}".format
SOURCE = None  # or a folder of CSV or Parquet files, or a database URL

# %%
folder = TemporaryDirectory()
demo = Path(folder.name) / "demo"
synthetic.write(demo)
intake = sources.read(SOURCE or demo)
ledger = intake.ledger

# %% [markdown]
# ## 1. What came in
# Every row that was read is either accepted or in quarantine, and the sums agree to the cent.

# %%
intake.reconciliation.to_pandas().set_index(["table", "column"])

# %%
print(*intake.warnings, sep="\n")

# %% [markdown]
# The invented ledger is clean. Spoil five cells of it, as exports do, and see what quarantine
# says: the line, the column, the rule, the value. Everything else goes on; a payment of a refused
# invoice can't.

# %%
spoilt = Path(folder.name) / "spoilt"
synthetic.write(spoilt, customers=15, months=12, format="csv")
invoices, payments = (
    pd.read_csv(spoilt / f"{name}.csv", dtype=str, keep_default_na=False)
    for name in ("invoices", "payments")
)
invoices.loc[11, "due_date"] = "2025-01-15"
payments.loc[6, "paid_on"] = "2026-02-31"
payments.loc[19, "invoice_id"] = "F-unknown"
payments.loc[39, "amount"] = "-849.46"
payments = pd.concat([payments, payments.loc[[29]]])
invoices.to_csv(spoilt / "invoices.csv", index=False)
payments.to_csv(spoilt / "payments.csv", index=False)

sources.read(spoilt).quarantine.to_pandas()

# %% [markdown]
# ## 2. How customers pay
# One row per invoice: due on its *business* due date (weekends and holidays of the customer's
# country roll forward), settled when what is open falls to the tolerance.

# %%
settled = settlement.settle(ledger)
last_day = int(max(days(ledger.payments["paid_on"], missing=0)))
book = pd.DataFrame(
    {
        "customer": settled.customer,
        "issue_day": settled.issue_day,
        "raw_due_day": settled.raw_due_day,
        "due_day": settled.due_day,
        "settled_day": settled.settled_day,
        "known_day": settled.settled_known_day,
        "eur": settled.amount_cents / 100,
        "cancelled": settled.cancelled,
    }
)
book["is_paid"] = (book.settled_day < NEVER) & ~book.cancelled
book["days_late"] = (book.settled_day - book.due_day).where(book.is_paid)

per_customer = book.groupby("customer").agg(invoices=("eur", "size"), eur=("eur", "sum"))
usual = [0.05, 0.25, 0.5, 0.75, 0.95]
pd.DataFrame(
    {
        "days late": book.days_late.describe(usual),
        "amount": book.eur.describe(usual),
        "invoices a customer": per_customer.invoices.describe(usual),
    }
)

# %% [markdown]
# A few customers are most of the money, and most are neither early nor very late. What costs is
# the tail, and it belongs to few.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3))
book.days_late.clip(-30, 120).hist(bins=75, ax=left)
left.axvline(0, color="black", linewidth=1)
left.set(title="Days late of paid invoices", xlabel="days after the business due date")
share = per_customer.eur.sort_values(ascending=False).cumsum() / per_customer.eur.sum()
right.plot(np.linspace(0, 1, len(share)), share)
right.set(
    title="Money by customer", xlabel="share of customers", ylabel="share of what was invoiced"
)
plt.show()

# %% [markdown]
# Payments keep a rhythm: never on a weekend, often in runs on fixed days of the month. That is why
# "when is this customer's next payment day" predicts dates that an average delay can't.

# %%
paid_day = days(ledger.payments["paid_on"])
weekday = pd.Series(dates.weekday(paid_day)).value_counts().reindex(range(7), fill_value=0)
weekday.index = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3))
weekday.plot.bar(ax=left, title="Payments by weekday", rot=0)
day_of_month = pd.Series(dates.day_of_month(paid_day)).value_counts().sort_index()
day_of_month.plot.bar(ax=right, title="Payments by day of the month", rot=0, fontsize=6)
plt.show()

# %% [markdown]
# ## 3. The weekend effect
# An invoice due on Saturday and paid on Monday is on time (Regulation 1182/71, art. 3). Counted
# from the raw due date it is "late", and a model that knows the calendar then "predicts" it: a
# gift, not skill.

# %%
paid = book[book.is_paid].copy()
paid["due_falls_on"] = np.where(
    paid.raw_due_day == paid.due_day, "business day", "weekend or holiday"
)
paid["late_raw"] = paid.settled_day > paid.raw_due_day
paid["late_business"] = paid.settled_day > paid.due_day
paid.groupby("due_falls_on")[["late_raw", "late_business"]].mean().assign(
    share_of_invoices=paid.due_falls_on.value_counts(normalize=True)
)

# %%
rolls = (paid.raw_due_day != paid.due_day).to_numpy(float)
pd.Series(
    {
        "late > 0, raw due date": paid.late_raw.mean(),
        "late > 0, business due date": paid.late_business.mean(),
        "AUC of 'due on a closed day' alone, raw": metrics.auc(
            paid.late_raw.to_numpy(float), rolls
        ),
        "the same, business": metrics.auc(paid.late_business.to_numpy(float), rolls),
    }
).to_frame("share or AUC")

# %% [markdown]
# ## 4. Matured labels, and what naive ones cost
# Stand at a cut-off T and ask: *what share of invoices is still open 30 days after it is due?*
# Three ways to build the answer from what was known then:
#
# - **paid only**: take the invoices that were paid before T. The slow payers aren't among them
#   yet.
# - **open means on time**: call what is still open "not late". The slow payers count as good.
# - **matured**: take each invoice whose due date + 30 days lies before T, *paid or not*; its
#   answer is known. Nothing else is needed, and nothing is guessed.

# %%
origins = [last_day - back for back in (300, 240, 180, 120)]
horizon_days, window_days, test_days, weight = 30, 180, 60, 20
figures = []
for origin in origins:
    known = book[
        (book.issue_day < origin) & (book.issue_day >= origin - window_days) & ~book.cancelled
    ]
    was_paid = known.known_day < origin
    late = known.settled_day.where(was_paid, NEVER) > known.due_day + horizon_days
    examples = {
        "paid only": late[was_paid],
        "open means on time": late & was_paid,
        "matured": late[known.due_day + horizon_days < origin],
    }
    test = book[
        (book.issue_day >= origin) & (book.issue_day < origin + test_days) & ~book.cancelled
    ]
    test = test[test.due_day + horizon_days < last_day - 3]  # answered by today, bookings included
    actual = (test.settled_day > test.due_day + horizon_days).to_numpy(float)
    for labels, y in examples.items():
        counted = y.groupby(known.customer[y.index]).agg(["sum", "count"])
        rate = (counted["sum"] + weight * y.mean()) / (counted["count"] + weight)
        p = test.customer.map(rate).fillna(y.mean()).to_numpy(float)
        figures.append((labels, y.mean(), p.mean(), actual.mean(), metrics.log_loss(actual, p)))

columns = ["labels", "share late in training", "mean predicted", "actually late", "log-loss"]
pd.DataFrame(figures, columns=columns).groupby("labels", sort=False).mean()

# %% [markdown]
# The rule that predicts is the same each time, the customer's own rate shrunk to everyone's; only
# the labels differ. The naive ones understate the risk, and the log-loss pays for it. Matured
# labels leave a gap too where times get worse or better: that one is drift, and it is shown, not
# hidden.

# %%
folder.cleanup()
