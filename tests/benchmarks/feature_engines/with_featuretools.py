"""featuretools with cutoff times: the features that its primitives can say, window by window."""

import warnings
from pathlib import Path

import featuretools as ft
import numpy as np
import pandas as pd
from measured import DATES, Columns, main
from with_pandas import first_customers, followed

warnings.filterwarnings("ignore")
SAYS = {  # ours: its name for it, in a training window
    "n_invoices": ("COUNT(invoices)", None),
    "n_invoices_90": ("COUNT(invoices)", 90),
    "n_settled": ("COUNT(settlements)", None),
    **{
        f"delay_{name}{suffix}": (f"{name.upper()}(settlements.delay)", window)
        for name in ("mean", "std", "max")
        for suffix, window in (("", None), ("_90", 90), ("_180", 180), ("_365", 365))
    },
    "delay_last": ("LAST(settlements.delay)", None),
    "late0_share": ("MEAN(settlements.late0)", None),
    "late0_share_90": ("MEAN(settlements.late0)", 90),
    "late0_share_365": ("MEAN(settlements.late0)", 365),
    "late30_share": ("MEAN(settlements.late30)", None),
    "late30_share_365": ("MEAN(settlements.late30)", 365),
    "gap_mean_365": ("MEAN(paydays.gap)", 365),
    "gap_std_365": ("STD(paydays.gap)", 365),
    "n_paydays_365": ("COUNT(paydays)", 365),
    "n_partial_365": ("SUM(moves.partial)", 365),
}


def run(folder: Path, dates: list[str], rows: int) -> Columns:
    """What of the 54 features it can say, for the first customers' invoices."""
    inv, moves = first_customers(folder, rows // len(dates) if rows else 0)
    moves = followed(inv, moves)
    asked = pd.concat(inv.assign(t=DATES[date](inv["issue"], inv["due"])) for date in dates)
    entities = entity_set(inv, moves)
    cutoffs = pd.DataFrame({"customer": asked["customer"], "time": when(asked["t"])})
    cutoffs = cutoffs.drop_duplicates().reset_index(drop=True)

    found: dict[str, np.ndarray] = {}
    for window in (None, 90, 180, 365):
        wanted = {ours: name for ours, (name, days) in SAYS.items() if days == window}
        features = ft.dfs(
            entityset=entities,
            target_dataframe_name="customers",
            agg_primitives=["count", "mean", "std", "max", "last", "sum"],
            trans_primitives=[],
            max_depth=1,
            features_only=True,
        )
        chosen = [f for f in features if f.get_name() in wanted.values()]
        matrix = ft.calculate_feature_matrix(
            chosen,
            entities,
            cutoff_time=cutoffs,
            training_window=None if window is None else ft.Timedelta(window, "d"),
            include_cutoff_time=False,
            cutoff_time_in_index=True,
            n_jobs=1,
        )
        matrix = matrix.sort_index()
        found |= {ours: matrix[name].to_numpy(float) for ours, name in wanted.items()}
    answers = pd.DataFrame(found, index=matrix.index).reset_index()
    asked["time"] = when(asked["t"])
    answers = asked[["invoice", "customer", "t", "time"]].merge(answers, on=["customer", "time"])
    return {name: answers[name].to_numpy() for name in ("invoice", "t", *SAYS)}


def entity_set(inv: pd.DataFrame, moves: pd.DataFrame) -> ft.EntitySet:
    settled = moves[moves["settles"]].sort_values(["day", "delay"])
    settled = settled.assign(late0=settled["delay"] > 0, late30=settled["delay"] > 30)
    settled = settled.astype({"late0": float, "late30": float})
    days = moves[["customer", "day"]].drop_duplicates().sort_values(["customer", "day"])
    days["gap"] = days.groupby("customer")["day"].diff()
    tables = {
        "invoices": inv[["customer", "issue", "amount"]].rename(columns={"issue": "day"}),
        "settlements": settled[["customer", "day", "delay", "late0", "late30"]],
        "paydays": days,
        "moves": moves.assign(partial=(~moves["closed"]).astype(float))[
            ["customer", "day", "partial"]
        ],
    }
    entities = ft.EntitySet("ledger")
    customers = pd.DataFrame({"customer": inv["customer"].unique()})
    entities.add_dataframe(customers, "customers", index="customer")
    for name, table in tables.items():
        table = table.assign(day=when(table["day"])).reset_index(drop=True)
        table["delay" if name == "settlements" else "row"] = table.get("delay", table.index)
        numbers = {
            c: "Double" for c in ("delay", "late0", "late30", "gap", "partial") if c in table
        }
        entities.add_dataframe(
            table, name, index="id", make_index=True, time_index="day", logical_types=numbers
        )
        entities.add_relationship("customers", "customer", name, "customer")
    return entities


def when(day: pd.Series) -> pd.Series:
    return pd.to_datetime(day, unit="D").astype("datetime64[ns]")


if __name__ == "__main__":
    main(run)
