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
# # Explain: one invoice, one customer, the portfolio, what if
#
# Reasons are exact contributions (SHAP values) carried to the probability: the base and the points
# of all reasons add up to it. They say what the model looks at, not what would change the world:
# for that, notebook 06.

# %%
import matplotlib.pyplot as plt
import pandas as pd

from models import reasons
from pipelines.workbench import (
    Asked,
    Change,
    champion,
    day_of,
    desk,
    read,
    risk_of,
    score,
    train,
)
from serving.phrases import wordings

pd.options.display.float_format = "{:,.3f}".format
LEDGER = None  # or a folder of CSV or Parquet files, or a database URL
LANGUAGE = "en"  # or "it"

# %%
job = desk(LEDGER)
ledger, today = read(job).ledger, day_of(job.as_of)
if not (job.settings.models_folder / "CHAMPION").exists():
    train(job)
model = champion(job.settings)
scores = score(ledger, today, model)
table = scores.to_pandas()
table[["p_late_0", "p_late_30", "p_late_90", "expected_days_late"]].describe().T

# %% [markdown]
# ## 1. One invoice
# Of the invoices that are not lost yet, the one with the most at risk, and why its probability is
# what it is.

# %%
undecided = table[table.p_late_30 < 0.9]
worst = undecided.sort_values("value_at_risk_cents", ascending=False).iloc[0]
columns = ["customer_name", "days_past_due", "open_cents", "p_late_30", "expected_date"]
worst[["invoice_id", *columns]].to_frame().T

# %%
points = pd.DataFrame(list(worst.reasons))
points["reason"] = [
    reasons.sentence(
        row["feature_group"],
        row["feature"],
        value=row["value"],
        usual=row["usual_value"],
        points=row["points"],
        wordings=wordings(),
        language=LANGUAGE,
    )
    for row in worst.reasons
]
points[["reason", "points"]]

# %%
start = worst.base_probability
figure, ax = plt.subplots(figsize=(9, 3.5))
left = start + points.points.cumsum() - points.points
colors = ["C3" if value > 0 else "C0" for value in points.points]
ax.barh(points.feature_group, points.points, left=left, color=colors)
ax.axvline(start, color="grey", linewidth=1)
ax.invert_yaxis()
end = start + points.points.sum()
ax.set(title=f"{worst.invoice_id}, {worst.reasons_for}: from {start:.1%} to {end:.1%}", xlim=(0, 1))
plt.show()

# %% [markdown]
# ## 2. One customer
# All open invoices of its customer: the same warnings, dated by the day they began.

# %%
own = table[table.customer_id == worst.customer_id].sort_values("due_business_date")
own[["invoice_id", "days_past_due", "open_cents", "p_late_30", "expected_date", "risk_band"]]

# %%
warnings = pd.DataFrame([signal for of_row in own.signals for signal in of_row])
warnings.drop_duplicates("code") if len(warnings) else "no warnings"

# %% [markdown]
# ## 3. The portfolio
# What makes the risk: sums over the night's own rows, nothing is scored again.

# %%
risk = risk_of(scores)
euro = {name: risk[f"{name}_cents"] / 100 for name in ("open", "value_at_risk")}
print(
    f"{risk['invoices']:,} invoices, {euro['open']:,.0f} open, {euro['value_at_risk']:,.0f} at risk"
)
causes = pd.DataFrame(risk["causes"]).set_index("feature_group")
warned = pd.DataFrame(risk["signals"]).set_index("code")
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.5))
(causes.cents[::-1] / 1e5).plot.barh(ax=left, title="What reasons add to what is late")
(warned.value_at_risk_cents[::-1] / 1e5).plot.barh(ax=right, title="At risk, by warning")
for ax in (left, right):
    ax.set(xlabel="thousand euro", ylabel="")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## 4. What if
# The model asked anew with one fact changed: what it expects of such an invoice. It is no promise
# that bringing the fact about has that effect.

# %%
asked = Asked.of(ledger, today, model, worst.invoice_id)
changes = {
    "15 days more": Change(more_days=15),
    "three instalments": Change(instalments=3),
    "half the amount": Change(amount_cents=int(worst.amount_cents) // 2),
}
compared = {
    name: asked.compare(change).probabilities["p_late_30"] for name, change in changes.items()
}
pd.DataFrame(compared, index=["as it is", "changed"]).T

# %%
target = worst.p_late_30 / 2
least = asked.smallest_change(target)
found = f"{least.found.change}" if least.found else "none of them does"
print(f"to come under {target:.1%}, of {least.tried} changes tried: {found}")
