"""Polars in the best form we could write: running totals read by asof joins, rolling maxima.

With `--text-ids` it reads the ledger's own columns, as ours does: text for ids, days as dates. The
due dates are rolled for it either way. Without, ids are whole numbers that somebody gave before.
"""

import os
import sys

os.environ.setdefault("POLARS_MAX_THREADS", "1")

from pathlib import Path

import polars as pl
from measured import DATES, FEATURES, Columns, main

NEVER = 1 << 20
TEXT_IDS = "--text-ids" in sys.argv
WINDOWS = {"": None, "_90": 90, "_180": 180, "_365": 365}
c = pl.col


def run(folder: Path, dates: list[str], rows: int) -> Columns:
    """The 54 features of all invoices."""
    inv, pay = ledgers_own(folder) if TEXT_IDS else numbered(folder)
    inv = inv.with_columns(ln=(1e4 * c("amount").log()).round().cast(pl.Int64))
    moves = followed(inv, pay)
    base = int(inv["issue"].min())
    asked = pl.concat(
        inv.with_columns(t=DATES[date](c("issue"), c("due")).cast(pl.Int32)) for date in dates
    ).sort("customer", "t")
    asked = asked.with_row_index("q")

    asked = with_invoices(asked, inv)
    asked = with_settled(asked, moves, base)
    asked = with_cash(asked, moves)
    asked = with_open(asked, inv, moves)
    done = finished(asked)
    return {n: done[n].to_numpy() for n in ("invoice", "t", *FEATURES)}


def numbered(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Invoices and payments with whole numbers for ids and days."""
    return (
        pl.read_parquet(
            folder / "invoices-*.parquet", columns=["invoice", "customer", "issue", "due", "amount"]
        ),
        pl.read_parquet(folder / "payments-*.parquet", columns=["invoice", "day", "amount"]),
    )


def ledgers_own(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same from the ledger's columns: payments meet their invoice by its text."""
    known = ["invoice_id", "customer_id", "issue_date", "due_date", "amount_cents", "invoice"]
    paid = ["invoice_id", "paid_on", "amount_cents"]
    inv = pl.read_parquet(folder / "invoices-*.parquet", columns=known).select(
        "invoice_id",
        "invoice",
        customer=c("customer_id").cast(pl.Categorical).to_physical().cast(pl.Int32),
        issue=c("issue_date").cast(pl.Int32),
        due=c("due_date").cast(pl.Int32),
        amount=c("amount_cents"),
    )
    pay = pl.read_parquet(folder / "payments-*.parquet", columns=paid).join(
        inv.select("invoice_id", "invoice"), on="invoice_id"
    )
    pay = pay.select("invoice", day=c("paid_on").cast(pl.Int32), amount=c("amount_cents"))
    return inv.drop("invoice_id"), pay


def followed(inv: pl.DataFrame, pay: pl.DataFrame) -> pl.DataFrame:
    """Payments with the state they leave their invoice in."""
    owed = inv.select("invoice", "customer", "due", owed="amount")
    moves = pay.join(owed, on="invoice").sort("invoice", "day", "amount")
    moves = moves.with_columns(total=c("amount").cum_sum().over("invoice"))
    allowed = pl.max_horizontal(pl.lit(100), c("owed") * 5 // 1000)
    moves = moves.with_columns(closed=c("owed") - c("total") <= allowed)
    moves = moves.with_columns(covered=pl.when("closed").then("owed").otherwise("total"))
    before = lambda name, none: c(name).shift(1).over("invoice").fill_null(none)  # noqa: E731
    return moves.with_columns(
        applied=c("covered") - before("covered", 0),
        settles=c("closed") & ~before("closed", False),
        first=before("total", 0) == 0,
    )


def totals(events: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Running totals of each customer after each event, and their number as `n`."""
    named = [c(name).cast(pl.Int64).cum_sum().over("customer") for name in names]
    return events.sort("customer", "day").with_columns(
        *named, n=pl.int_range(1, pl.len() + 1).over("customer")
    )


def before(
    asked: pl.DataFrame, events: pl.DataFrame, days: int, names: dict[str, str]
) -> pl.DataFrame:
    """What the last event before t - days says, under new names; 0 totals where there is none."""
    right = events.select("customer", "day", **{new: c(old) for old, new in names.items()})
    left = asked.with_columns(at=c("t") - days)
    joined = left.join_asof(
        right,
        left_on="at",
        right_on="day",
        by="customer",
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    return joined.drop("at", "day", strict=False)


def summed(
    asked: pl.DataFrame, events: pl.DataFrame, prefix: str, names: list[str], days: list[int]
) -> pl.DataFrame:
    """The totals before t as `prefix_name`, and over windows as `prefix_name_90`."""
    every = ["n", *names]
    asked = before(asked, events, 0, {n: f"{prefix}_{n}" for n in every})
    asked = asked.with_columns(c(f"{prefix}_{n}").fill_null(0) for n in every)
    for w in days:
        asked = before(asked, events, w, {n: f"{prefix}_{n}_{w}" for n in every})
        asked = asked.with_columns(
            (c(f"{prefix}_{n}") - c(f"{prefix}_{n}_{w}").fill_null(0)).alias(f"{prefix}_{n}_{w}")
            for n in every
        )
    return asked


def with_invoices(asked: pl.DataFrame, inv: pl.DataFrame) -> pl.DataFrame:
    issued = inv.select(
        "customer", "amount", "ln", day="issue", terms=c("due") - c("issue"), sq=c("ln") ** 2
    )
    issued = totals(issued, "amount", "ln", "sq", "terms")
    issued = issued.with_columns(first_day=c("day").first().over("customer"), last_day=c("day"))
    asked = summed(asked, issued, "inv", ["amount", "ln", "sq", "terms"], [90, 365])
    return before(asked, issued, 0, {"first_day": "first_day", "last_day": "last_day"})


def with_settled(asked: pl.DataFrame, moves: pl.DataFrame, base: int) -> pl.DataFrame:
    s = moves.filter("settles").select("customer", "day", "owed", delay=c("day") - c("due"))
    s = s.sort("customer", "day", "delay", "owed")
    x = c("day").cast(pl.Int64) - base
    d = c("delay").cast(pl.Int64)
    s = s.with_columns(
        last=d, sq=d**2, late0=d > 0, late30=d > 30, x=x, xx=x**2, xy=x * d, highest=d
    )
    weight = {h: 2.0 ** (x / h) for h in (30, 180)}
    faded = {
        f"ewm{h}": (w * d).cum_sum().over("customer") / w.cum_sum().over("customer")
        for h, w in weight.items()
    }
    s = s.with_columns(**faded, top=c("highest").cum_max().over("customer"))
    names = ["delay", "sq", "late0", "late30", "x", "xx", "xy"]
    run_totals = totals(s, *names)
    ten = {n: c(n) - c(n).shift(10).over("customer").fill_null(0) for n in names}
    n10 = pl.min_horizontal(c("n"), pl.lit(10))
    run_totals = run_totals.with_columns(slope10=slope(n10, **{k: ten[k] for k in ten}))
    asked = summed(asked, run_totals, "s", names, [90, 180, 365])
    told = {n: n for n in ("last", "ewm30", "ewm180", "top", "slope10")}
    asked = before(asked, run_totals, 0, told)

    events = s.select("customer", "day", "highest", q=pl.lit(None, pl.UInt32))
    queries = asked.select(
        "customer", day="t", highest=pl.lit(None, pl.Int64), q=c("q").cast(pl.UInt32)
    )
    rolled = (
        pl.concat([events, queries])
        .sort("customer", "day")
        .with_columns(
            c("highest")
            .rolling_max_by("day", f"{w}i", closed="left")
            .over("customer")
            .alias(f"max_{w}")
            for w in (90, 180, 365)
        )
    )
    rolled = rolled.filter(c("q").is_not_null()).drop("customer", "day", "highest")
    return asked.join(rolled, on="q", how="left")


def slope(n: pl.Expr, **sums: pl.Expr) -> pl.Expr:
    spread = n * sums["xx"] - sums["x"] ** 2
    rise = n * sums["xy"] - sums["x"] * sums["delay"]
    return pl.when((n >= 3) & (spread > 0)).then(rise / spread)


def with_cash(asked: pl.DataFrame, moves: pl.DataFrame) -> pl.DataFrame:
    paid = totals(moves.with_columns(partial=~c("closed")), "amount", "partial")
    asked = summed(asked, paid, "paid", ["amount", "partial"], [90, 365])
    days = moves.select("customer", "day").unique().sort("customer", "day")
    days = days.with_columns(gap=(c("day") - c("day").shift(1).over("customer")))
    days = days.with_columns(payday=c("day"))
    asked = summed(asked, totals(days), "paydays", [], [365])
    asked = before(asked, days, 0, {"payday": "payday"})
    gaps = days.drop_nulls("gap").with_columns(sq=c("gap").cast(pl.Int64) ** 2)
    return summed(asked, totals(gaps, "gap", "sq"), "gaps", ["gap", "sq"], [365])


def with_open(asked: pl.DataFrame, inv: pl.DataFrame, moves: pl.DataFrame) -> pl.DataFrame:
    asked = summed(asked, totals(moves, "applied"), "off", ["applied"], [])
    asked = summed(asked, totals(inv.with_columns(day="due"), "amount"), "due", ["amount"], [])
    late = moves.with_columns(day=pl.max_horizontal("day", "due"))
    asked = summed(asked, totals(late, "applied", "settles"), "late", ["applied", "settles"], [])
    first = moves.filter("first")
    asked = summed(asked, totals(first), "first", [], [])
    short = first.with_columns(day=pl.max_horizontal("day", "due"))
    asked = summed(asked, totals(short), "short", [], [])

    settled = moves.filter("settles").select("invoice", settled="day")
    due = inv.join(settled, on="invoice", how="left").sort("customer", "due")
    due = due.with_columns(c("settled").fill_null(NEVER).cum_max().over("customer"))
    due = due.group_by("customer", "settled").agg(oldest=c("due").min()).sort("customer", "settled")
    asked = asked.join_asof(
        due,
        left_on="t",
        right_on="settled",
        by="customer",
        strategy="forward",
        check_sortedness=False,
    )
    own = moves.select("invoice", "day", paid_own=c("total")).sort("invoice", "day")
    asked = asked.sort("invoice", "t").join_asof(
        own,
        left_on="t",
        right_on="day",
        by="invoice",
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    return asked


def finished(asked: pl.DataFrame) -> pl.DataFrame:
    """The features from what was gathered."""
    of = lambda a, b: pl.when(b != 0).then(a / b)  # noqa: E731

    def std(prefix: str, name: str, suffix: str) -> pl.Expr:
        n, s, q = (c(f"{prefix}_{x}{suffix}") for x in ("n", name, "sq"))
        return pl.when(n > 1).then(((n * q - s * s) / (n * (n - 1))).sqrt())

    mean = lambda prefix, name, s: of(c(f"{prefix}_{name}{s}"), c(f"{prefix}_n{s}"))  # noqa: E731
    usual, spread = mean("gaps", "gap", ""), std("gaps", "gap", "")
    owed = c("inv_amount") - c("off_applied")
    overdue = c("due_amount") - c("late_applied")
    date = (c("due").cast(pl.Int64) * 86_400_000).cast(pl.Datetime("ms"))
    values = {
        "n_invoices": c("inv_n"),
        "n_invoices_90": c("inv_n_90"),
        "tenure_days": c("t") - c("first_day"),
        "days_since_last_invoice": c("t") - c("last_day"),
        "n_settled": c("s_n"),
        "n_open": c("inv_n") - c("s_n"),
        **{f"delay_mean{w}": mean("s", "delay", w) for w in WINDOWS},
        **{f"delay_std{w}": std("s", "delay", w) for w in WINDOWS},
        "delay_max": c("top"),
        **{f"delay_max_{w}": c(f"max_{w}") for w in (90, 180, 365)},
        "delay_last": c("last"),
        "delay_ewm_fast": c("ewm30"),
        "delay_ewm_slow": c("ewm180"),
        "delay_trend_n10": c("slope10"),
        "delay_trend_365": slope(
            c("s_n_365"), **{n: c(f"s_{n}_365") for n in ("x", "xx", "xy", "delay")}
        ),
        "delay_shift": mean("s", "delay", "_90") - mean("s", "delay", "_365"),
        **{f"late0_share{w}": mean("s", "late0", w) for w in ("", "_90", "_365")},
        **{f"late30_share{w}": mean("s", "late30", w) for w in ("", "_365")},
        "days_since_payment": c("t") - c("payday"),
        "gap_mean_365": mean("gaps", "gap", "_365"),
        "gap_std_365": std("gaps", "gap", "_365"),
        "gap_cv_365": of(std("gaps", "gap", "_365"), mean("gaps", "gap", "_365")),
        "burstiness": of(spread - usual, spread + usual),
        "n_paydays_365": c("paydays_n_365"),
        "silence_ratio": of(c("t") - c("payday"), usual),
        "outstanding": owed,
        "overdue": overdue,
        "n_overdue": c("due_n") - c("late_settles"),
        "oldest_overdue_age": pl.when(c("oldest") < c("t")).then(c("t") - c("oldest")),
        "overdue_share": of(overdue, owed),
        **{f"paid_ratio_{w}": of(c(f"paid_amount_{w}"), c(f"inv_amount_{w}")) for w in (90, 365)},
        "short_share": of(c("short_n") - c("late_settles"), c("first_n")),
        "n_partial_365": c("paid_partial_365"),
        "amount_z": of(c("ln") - mean("inv", "ln", ""), std("inv", "ln", "")),
        "amount_ratio": of(c("amount"), mean("inv", "amount", "")),
        "terms_days": c("due") - c("issue"),
        "terms_diff": c("due") - c("issue") - mean("inv", "terms", ""),
        "due_dow": date.dt.weekday() - 1,
        "due_dom": date.dt.day(),
        "due_month": date.dt.month(),
        "days_to_due": c("due") - c("t"),
        "paid_share": c("paid_own").fill_null(0) / c("amount"),
    }
    cast = {n: v.cast(pl.Float64).fill_null(float("nan")) for n, v in values.items()}
    return asked.select("invoice", "t", **cast)


if __name__ == "__main__":
    sys.argv[:] = [word for word in sys.argv if word != "--text-ids"]
    main(run)
