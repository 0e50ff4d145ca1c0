"""DuckDB: events and questions in one relation, windows over ranges of days."""

from pathlib import Path

import duckdb
import numpy as np
from measured import DATES, FEATURES, Columns, main

SETTLE = """
create temp table inv as
    select invoice, customer, issue, due, amount, round(1e4 * ln(amount))::bigint as ln
    from read_parquet('{folder}/invoices-*.parquet');
create temp table moves as
    with totals as (
        select p.invoice, p.day, p.amount, i.customer, i.due, i.amount as owed,
            (sum(p.amount) over own)::bigint as total,
            row_number() over own as nth
        from read_parquet('{folder}/payments-*.parquet') p join inv i using (invoice)
        window own as (partition by p.invoice order by p.day, p.amount
                       rows unbounded preceding)),
    states as (
        select *, owed - total <= greatest(100, owed * 5 // 1000) as closed,
            case when closed then owed else total end as covered from totals)
    select *, covered - coalesce(lag(covered) over own, 0) as applied,
        closed and not coalesce(lag(closed) over own, false) as settles
    from states window own as (partition by invoice order by nth);
create temp table settled as
    select customer, day, day - due as delay, owed from moves where settles;
create temp table q as {questions};
"""

RANGES = """
    window every as (partition by customer order by day
                     range between unbounded preceding and 1 preceding),
        w90 as (partition by customer order by day range between 90 preceding and 1 preceding),
        w180 as (partition by customer order by day range between 180 preceding and 1 preceding),
        w365 as (partition by customer order by day range between 365 preceding and 1 preceding)
"""

PARTS = {
    "issued": """
        with u as (
            select customer, issue as day, amount, ln, due - issue as terms, null as q from inv
            union all select customer, t, null, null, null, q from q)
        select q, count(amount) over every as n_invoices, count(amount) over w90 as n_invoices_90,
            min(case when amount is not null then day end) over every as first_day,
            max(case when amount is not null then day end) over every as last_day,
            sum(amount) over every as invoiced, sum(amount) over w90 as invoiced_90,
            sum(amount) over w365 as invoiced_365, avg(amount) over every as mean_amount,
            avg(ln) over every as mean_ln, stddev_samp(ln) over every as std_ln,
            avg(terms) over every as mean_terms
        from u qualify q is not null""",
    "settlements": """
        with u as (
            select customer, day, delay, null as q from settled
            union all select customer, t, null, q from q)
        select q, count(delay) over every as n_settled,
            avg(delay) over every as delay_mean, avg(delay) over w90 as delay_mean_90,
            avg(delay) over w180 as delay_mean_180, avg(delay) over w365 as delay_mean_365,
            stddev_samp(delay) over every as delay_std, stddev_samp(delay) over w90 as delay_std_90,
            stddev_samp(delay) over w180 as delay_std_180,
            stddev_samp(delay) over w365 as delay_std_365,
            max(delay) over every as delay_max, max(delay) over w90 as delay_max_90,
            max(delay) over w180 as delay_max_180, max(delay) over w365 as delay_max_365,
            avg((delay > 0)::int) over every as late0_share,
            avg((delay > 0)::int) over w90 as late0_share_90,
            avg((delay > 0)::int) over w365 as late0_share_365,
            avg((delay > 30)::int) over every as late30_share,
            avg((delay > 30)::int) over w365 as late30_share_365,
            case when count(delay) over w365 >= 3
                then regr_slope(delay, day - 19000) over w365 end as delay_trend_365
        from u qualify q is not null""",
    "lasting": """
        with e as (
            select customer, day, delay,
                sum(delay * pow(2, (day - 19000) / 30.0)) over so_far
                    / sum(pow(2, (day - 19000) / 30.0)) over so_far as delay_ewm_fast,
                sum(delay * pow(2, (day - 19000) / 180.0)) over so_far
                    / sum(pow(2, (day - 19000) / 180.0)) over so_far as delay_ewm_slow,
                case when count(*) over ten >= 3
                    then regr_slope(delay, day - 19000) over ten end as delay_trend_n10,
                row_number() over so_far as nth
            from settled
            window so_far as (partition by customer order by day, delay, owed
                              rows unbounded preceding),
                ten as (partition by customer order by day, delay, owed
                        rows between 9 preceding and current row)),
        last as (
            select customer, day, last(delay order by nth) as delay_last,
                last(delay_ewm_fast order by nth) as delay_ewm_fast,
                last(delay_ewm_slow order by nth) as delay_ewm_slow,
                last(delay_trend_n10 order by nth) as delay_trend_n10
            from e group by customer, day)
        select q, delay_last, delay_ewm_fast, delay_ewm_slow, delay_trend_n10
        from q asof left join last on q.customer = last.customer and q.t > last.day""",
    "cash": """
        with u as (
            select customer, day, amount, not closed as partial, null as q from moves
            union all select customer, t, null, null, q from q)
        select q, sum(amount) over w90 as paid_90, sum(amount) over w365 as paid_365,
            sum(partial::int) over w365 as partial_365
        from u qualify q is not null""",
    "rhythm": """
        with days as (select distinct customer, day from moves),
        gaps as (
            select customer, day, day - lag(day) over (partition by customer order by day) as gap
            from days),
        u as (
            select customer, day, gap, day as payday, null as q from gaps
            union all select customer, t, null, null, q from q)
        select q, max(payday) over every as payday, count(payday) over w365 as n_paydays_365,
            avg(gap) over every as gap_mean, stddev_samp(gap) over every as gap_std,
            avg(gap) over w365 as gap_mean_365, stddev_samp(gap) over w365 as gap_std_365
        from u qualify q is not null""",
    "owing": """
        with changes as (
            select customer, issue as day, amount as owed, 0 as overdue, 0 as n_overdue,
                0 as touched, 0 as short from inv
            union all select customer, due, 0, amount, 1, 0, 0 from inv
            union all select customer, day, -applied, 0, 0, (nth = 1)::int, 0 from moves
            union all select customer, greatest(day, due), 0, -applied, -settles::int, 0,
                (nth = 1)::int - settles::int from moves),
        u as (
            select *, null as q from changes
            union all select customer, t, null, null, null, null, null, q from q)
        select q, sum(owed) over every as outstanding, sum(overdue) over every as overdue,
            sum(n_overdue) over every as n_overdue, sum(touched) over every as touched,
            sum(short) over every as short
        from u qualify q is not null""",
    "oldest": """
        with reached as (
            select customer, due, max(coalesce(day, 1048576)) over (
                partition by customer order by due, invoice rows unbounded preceding) as until
            from inv left join (select invoice, day from moves where settles) using (invoice)),
        first as (select customer, until, min(due) as oldest from reached group by customer, until)
        select q, case when oldest < t then t - oldest end as oldest_overdue_age
        from q asof left join first on q.customer = first.customer and q.t <= first.until""",
    "own": """
        with last as (select invoice, day, max(total) as total from moves group by invoice, day)
        select q, coalesce(total, 0) as paid_own
        from q asof left join last on q.invoice = last.invoice and q.t > last.day""",
}

FINISH = """
select q.invoice, q.t, n_invoices, n_invoices_90, t - first_day as tenure_days,
    t - last_day as days_since_last_invoice, n_settled, n_invoices - n_settled as n_open,
    delay_mean, delay_mean_90, delay_mean_180, delay_mean_365,
    delay_std, delay_std_90, delay_std_180, delay_std_365,
    delay_max, delay_max_90, delay_max_180, delay_max_365,
    delay_last, delay_ewm_fast, delay_ewm_slow, delay_trend_n10, delay_trend_365,
    delay_mean_90 - delay_mean_365 as delay_shift,
    late0_share, late0_share_90, late0_share_365, late30_share, late30_share_365,
    t - payday as days_since_payment, gap_mean_365, gap_std_365,
    gap_std_365 / nullif(gap_mean_365, 0) as gap_cv_365,
    (gap_std - gap_mean) / nullif(gap_std + gap_mean, 0) as burstiness, n_paydays_365,
    (t - payday) / nullif(gap_mean, 0) as silence_ratio,
    coalesce(outstanding, 0) as outstanding, coalesce(overdue, 0) as overdue,
    coalesce(n_overdue, 0) as n_overdue, oldest_overdue_age,
    overdue / nullif(outstanding, 0) as overdue_share,
    coalesce(paid_90, 0) / nullif(invoiced_90, 0) as paid_ratio_90,
    coalesce(paid_365, 0) / nullif(invoiced_365, 0) as paid_ratio_365,
    short / nullif(touched, 0) as short_share, coalesce(partial_365, 0) as n_partial_365,
    (ln - mean_ln) / nullif(std_ln, 0) as amount_z, amount / mean_amount as amount_ratio,
    due - issue as terms_days, due - issue - mean_terms as terms_diff,
    (due + 3) % 7 as due_dow, day(date '1970-01-01' + due) as due_dom,
    month(date '1970-01-01' + due) as due_month, due - t as days_to_due,
    paid_own / amount as paid_share
from q """


def run(folder: Path, dates: list[str], rows: int) -> Columns:
    """The 54 features of all invoices."""
    base = duckdb.connect(config={"threads": 1})
    asked = " union all ".join(f"select {_day(date)} as t, * from inv" for date in dates)
    questions = f"select row_number() over () as q, * from ({asked})"
    base.execute(SETTLE.format(folder=folder, questions=questions))
    for name, query in PARTS.items():
        ranged = RANGES + "        qualify q is not null"
        query = query.replace("qualify q is not null", ranged)
        base.execute(f"create temp table {name} as {query}")
    joins = " ".join(f"join {name} on q.q = {name}.q" for name in PARTS)
    found = base.execute(FINISH + joins).fetchnumpy()
    keys = {name: np.asarray(found[name]) for name in ("invoice", "t")}
    return keys | {
        name: np.ma.filled(np.ma.asarray(found[name]).astype(float), np.nan) for name in FEATURES
    }


def _day(date: str) -> str:
    return str(DATES[date](_Sql("issue"), _Sql("due")))


class _Sql(str):
    """A column's name, to which days can be added."""

    def __add__(self, days: object) -> "_Sql":
        return _Sql(f"{self} + {days}")


if __name__ == "__main__":
    main(run)
