"""Plain pandas: for each question its customer's rows are filtered and summed up."""

from pathlib import Path

import numpy as np
import pandas as pd
from measured import DATES, FEATURES, Columns, main

WINDOWS = {"": None, "_90": 90, "_180": 180, "_365": 365}


def run(folder: Path, dates: list[str], rows: int) -> Columns:
    """The 54 features of the first customers' invoices, until there are `rows`."""
    inv, moves = first_customers(folder, rows // len(dates) if rows else 0)
    inv["ln"] = np.rint(1e4 * np.log(inv["amount"]))
    moves = followed(inv, moves)
    money = dict(list(moves.groupby("customer")))
    answers = [
        of_question(own, mine, money.get(customer, moves[:0]), DATES[date](mine.issue, mine.due))
        for customer, own in inv.groupby("customer")
        for mine in own.itertuples()
        for date in dates
    ]
    table = pd.DataFrame(answers)
    return {name: table[name].to_numpy() for name in ("invoice", "t", *FEATURES)}


def first_customers(folder: Path, rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    files = sorted(folder.glob("invoices-*.parquet"))
    inv = pd.concat([pd.read_parquet(f, engine="pyarrow") for f in (files[:1] if rows else files)])
    if rows:
        inv = inv[inv["customer"] <= inv["customer"].iloc[min(rows, len(inv)) - 1]].copy()
    files = sorted(folder.glob("payments-*.parquet"))
    pay = pd.concat([pd.read_parquet(f, engine="pyarrow") for f in (files[:1] if rows else files)])
    return inv, pay[pay["invoice"].isin(inv["invoice"])]


def followed(inv: pd.DataFrame, pay: pd.DataFrame) -> pd.DataFrame:
    """Payments with the state they leave their invoice in."""
    owed = inv[["invoice", "customer", "due", "amount"]].rename(columns={"amount": "owed"})
    moves = pay[["invoice", "day", "amount"]].merge(owed, on="invoice")
    moves = moves.sort_values(["invoice", "day", "amount"])
    moves["total"] = moves.groupby("invoice")["amount"].cumsum()
    moves["closed"] = moves["owed"] - moves["total"] <= np.maximum(100, moves["owed"] * 5 // 1000)
    moves["covered"] = moves["owed"].where(moves["closed"], moves["total"])
    own = moves.groupby("invoice")
    moves["applied"] = moves["covered"] - own["covered"].shift(fill_value=0)
    moves["settles"] = moves["closed"] & ~own["closed"].shift(fill_value=False)
    moves["first"] = own.cumcount() == 0
    moves["delay"] = moves["day"] - moves["due"]
    return moves


def of_question(inv: pd.DataFrame, mine: object, moves: pd.DataFrame, t: int) -> dict[str, float]:
    """The features of one invoice as of one day."""
    inv = inv[inv["issue"] < t]
    moves = moves[moves["day"] < t].sort_values(["day", "delay", "owed"])
    settled = moves[moves["settles"]]
    f: dict[str, float] = {"invoice": mine.invoice, "t": t}
    f["n_invoices"] = len(inv)
    f["n_invoices_90"] = (inv["issue"] >= t - 90).sum()
    f["tenure_days"] = t - inv["issue"].min()
    f["days_since_last_invoice"] = t - inv["issue"].max()
    f["n_settled"] = len(settled)
    f["n_open"] = len(inv) - len(settled)
    recent = {
        s: settled if w is None else settled[settled["day"] >= t - w] for s, w in WINDOWS.items()
    }
    for suffix, part in recent.items():
        f[f"delay_mean{suffix}"] = part["delay"].mean()
        f[f"delay_std{suffix}"] = part["delay"].std()
        f[f"delay_max{suffix}"] = part["delay"].max()
        f[f"late0_share{suffix}"] = (part["delay"] > 0).mean()
        f[f"late30_share{suffix}"] = (part["delay"] > 30).mean()
    f["delay_last"] = settled["delay"].iloc[-1] if len(settled) else np.nan
    for name, half_life in (("fast", 30), ("slow", 180)):
        weight = 2.0 ** ((settled["day"] - t) / half_life)
        f[f"delay_ewm_{name}"] = (weight * settled["delay"]).sum() / weight.sum()
    f["delay_trend_n10"] = slope(settled[-10:])
    f["delay_trend_365"] = slope(recent["_365"])
    f["delay_shift"] = f["delay_mean_90"] - f["delay_mean_365"]
    f |= rhythm(moves, t) | owing(inv, moves, settled, t)
    for w in (90, 365):
        paid = moves.loc[moves["day"] >= t - w, "amount"].sum()
        f[f"paid_ratio_{w}"] = ratio(paid, inv.loc[inv["issue"] >= t - w, "amount"].sum())
    f["amount_z"] = ratio(np.rint(1e4 * np.log(mine.amount)) - inv["ln"].mean(), inv["ln"].std())
    f["amount_ratio"] = mine.amount / inv["amount"].mean()
    f["terms_days"] = mine.due - mine.issue
    f["terms_diff"] = f["terms_days"] - (inv["due"] - inv["issue"]).mean()
    date = pd.Timestamp(mine.due, unit="D")
    f["due_dow"], f["due_dom"], f["due_month"] = date.dayofweek, date.day, date.month
    f["days_to_due"] = mine.due - t
    f["paid_share"] = moves.loc[moves["invoice"] == mine.invoice, "amount"].sum() / mine.amount
    return f


def rhythm(moves: pd.DataFrame, t: int) -> dict[str, float]:
    days = pd.Series(moves["day"].unique())
    gaps = days.diff()[1:]
    year = gaps[days[1:] >= t - 365]
    mean, std = gaps.mean(), gaps.std()
    silence = t - days.max()
    return {
        "days_since_payment": silence,
        "gap_mean_365": year.mean(),
        "gap_std_365": year.std(),
        "gap_cv_365": ratio(year.std(), year.mean()),
        "burstiness": ratio(std - mean, std + mean),
        "n_paydays_365": (days >= t - 365).sum(),
        "silence_ratio": ratio(silence, mean),
    }


def owing(
    inv: pd.DataFrame, moves: pd.DataFrame, settled: pd.DataFrame, t: int
) -> dict[str, float]:
    open_ = inv[~inv["invoice"].isin(settled["invoice"])]
    left = open_["amount"] - open_["invoice"].map(moves.groupby("invoice")["amount"].sum()).fillna(
        0
    )
    late = open_["due"] < t
    touched = moves["invoice"].unique()
    return {
        "outstanding": left.sum(),
        "overdue": left[late].sum(),
        "n_overdue": late.sum(),
        "oldest_overdue_age": t - open_.loc[late, "due"].min() if late.any() else np.nan,
        "overdue_share": ratio(left[late].sum(), left.sum()),
        "short_share": ratio(open_.loc[late, "invoice"].isin(touched).sum(), len(touched)),
        "n_partial_365": (~moves.loc[moves["day"] >= t - 365, "closed"]).sum(),
    }


def slope(part: pd.DataFrame) -> float:
    if len(part) < 3:
        return np.nan
    x, y = part["day"] - part["day"].mean(), part["delay"] - part["delay"].mean()
    return ratio((x * y).sum(), (x * x).sum())


def ratio(above: float, below: float) -> float:
    return above / below if below else np.nan


if __name__ == "__main__":
    main(run)
