"""Delay trend: whether the customer pays later than before."""

from pipelines.features.feature import family
from pipelines.streams import settled

feature = family("trend", cause="delay_trend")

FAST_DAYS = 30  # half lives: the last month or two ...
SLOW_DAYS = 180  # ... against the last year

fast = settled.ewm("delay", half_life_days=FAST_DAYS)
slow = settled.ewm("delay", half_life_days=SLOW_DAYS)

TREND = (
    feature(
        "delay_last",
        settled.last("delay"),
        "days_late",
        (-5, 30),
        it="ha pagato l'ultima fattura {value} (di solito {usual})",
        en="paid the last invoice {value} (usually {usual})",
    ),
    feature(
        "delay_last_2",
        settled.last("delay", back=1),
        "days_late",
        (-5, 30),
        it="ha pagato la penultima fattura {value} (di solito {usual})",
        en="paid the last invoice but one {value} (usually {usual})",
    ),
    feature(
        "delay_last_3",
        settled.last("delay", back=2),
        "days_late",
        (-5, 30),
        it="ha pagato la terzultima fattura {value} (di solito {usual})",
        en="paid the last invoice but two {value} (usually {usual})",
    ),
    feature(
        "delay_ewm_fast",
        fast,
        "days_late",
        (-5, 30),
        it="i pagamenti più recenti arrivano in media {value} (di solito {usual})",
        en="the most recent payments come on average {value} (usually {usual})",
    ),
    feature(
        "delay_ewm_slow",
        slow,
        "days_late",
        (-5, 30),
        it="i pagamenti dell'ultimo anno arrivano in media {value} (di solito {usual})",
        en="the last year's payments come on average {value} (usually {usual})",
    ),
    feature(
        "delay_drift",
        fast - slow,
        "days_later",
        (-5, 5),
        it="rispetto all'anno i pagamenti recenti arrivano {value} (di solito {usual})",
        en="recent payments come {value} against the year's average (usually {usual})",
    ),
    feature(
        "delay_shift",
        settled.mean("delay", 90) - settled.mean("delay", 365),
        "days_later",
        (-5, 5),
        it="rispetto all'anno i pagamenti degli ultimi 90 giorni arrivano {value} "
        "(di solito {usual})",
        en="payments of the last 90 days come {value} against the year's average (usually {usual})",
    ),
    feature(
        "delay_trend_n10",
        settled.slope("delay", events=10),
        "days_a_day",
        (-0.2, 0.2),
        it="nelle ultime dieci fatture il ritardo {value} (di solito {usual})",
        en="over the last ten invoices the delay {value} (usually {usual})",
    ),
    feature(
        "delay_trend_365",
        settled.slope("delay", 365),
        "days_a_day",
        (-0.1, 0.1),
        it="nell'ultimo anno il ritardo {value} (di solito {usual})",
        en="over the last year the delay {value} (usually {usual})",
    ),
)
