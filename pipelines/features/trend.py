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
        "days",
        (-5, 5),
        it="rispetto all'anno i pagamenti recenti si sono spostati di {value} (di solito {usual})",
        en="recent payments have moved by {value} against the year's (usually {usual})",
    ),
    feature(
        "delay_shift",
        settled.mean("delay", 90) - settled.mean("delay", 365),
        "days",
        (-5, 5),
        it="il ritardo medio di 90 giorni differisce di {value} da quello dell'anno "
        "(di solito {usual})",
        en="the mean delay of 90 days differs by {value} from the year's (usually {usual})",
    ),
    feature(
        "delay_trend_n10",
        settled.slope("delay", events=10),
        "number",
        (-0.2, 0.2),
        it="nelle ultime dieci fatture il ritardo cambia di {value} giorni al giorno "
        "(di solito {usual})",
        en="over the last ten invoices the delay changes by {value} days a day (usually {usual})",
    ),
    feature(
        "delay_trend_365",
        settled.slope("delay", 365),
        "number",
        (-0.1, 0.1),
        it="nell'ultimo anno il ritardo cambia di {value} giorni al giorno (di solito {usual})",
        en="over the last year the delay changes by {value} days a day (usually {usual})",
    ),
)
