"""Payment rhythm: on which days money comes, and whether it has stopped coming."""

from pipelines.as_of import given, largest, which_largest
from pipelines.features.feature import family
from pipelines.streams import gaps, paid, paydays

feature = family("rhythm", cause="payment_rhythm")

silence = paydays.age("paid_day")
spread, usual_gap = gaps.std("gap"), gaps.mean("gap")
median_gap = gaps.median("gap", 365)
by_weekday = [paydays.share("weekday", 365, equal=weekday) for weekday in range(7)]
habitual_weekday = which_largest(*by_weekday)

RHYTHM = (
    feature(
        "days_since_payment",
        silence,
        "days",
        (0, 60),
        it="l'ultimo pagamento è di {value} fa (di solito {usual})",
        en="the last payment was {value} ago (usually {usual})",
    ),
    feature(
        "gap_mean",
        usual_gap,
        "days",
        (5, 45),
        it="da sempre passano in media {value} tra due giorni di pagamento (di solito {usual})",
        en="payment days have always been on average {value} apart (usually {usual})",
    ),
    feature(
        "gap_std",
        spread,
        "days",
        (2, 30),
        it="da sempre l'intervallo tra i giorni di pagamento varia di {value} (di solito {usual})",
        en="the time between payment days has always varied by {value} (usually {usual})",
    ),
    feature(
        "gap_mean_365",
        gaps.mean("gap", 365),
        "days",
        (5, 45),
        it="nell'ultimo anno passano in media {value} tra due giorni di pagamento "
        "(di solito {usual})",
        en="over the last year payment days are on average {value} apart (usually {usual})",
    ),
    feature(
        "gap_std_365",
        gaps.std("gap", 365),
        "days",
        (2, 30),
        it="l'intervallo tra i giorni di pagamento varia di {value} (di solito {usual})",
        en="the time between payment days varies by {value} (usually {usual})",
    ),
    feature(
        "gap_cv_365",
        gaps.std("gap", 365) / gaps.mean("gap", 365),
        "number",
        (0.2, 1.2),
        it="irregolarità dei giorni di pagamento nell'ultimo anno: {value} (di solito {usual})",
        en="irregularity of the payment days over the last year: {value} (usually {usual})",
    ),
    feature(
        "gap_median_365",
        median_gap,
        "days",
        (5, 40),
        it="nell'ultimo anno paga di norma ogni {value} (di solito {usual})",
        en="over the last year it typically pays every {value} (usually {usual})",
    ),
    feature(
        "burstiness",
        (spread - usual_gap) / (spread + usual_gap),
        "number",
        (-0.6, 0.3),
        it="i pagamenti vengono a gruppi: {value} su una scala da -1 a 1 (di solito {usual})",
        en="payments come in bursts: {value} on a scale from -1 to 1 (usually {usual})",
    ),
    feature(
        "n_paydays_365",
        paydays.count(365),
        "count",
        (3, 60),
        it="ha pagato in {value:giorno/giorni diversi} nell'ultimo anno (di solito {usual})",
        en="paid on {value:day/different days} over the last year (usually {usual})",
    ),
    feature(
        "silence_ratio",
        silence / usual_gap,
        "ratio",
        (0, 2),
        it="il silenzio attuale è {value} il suo intervallo medio (di solito {usual})",
        en="the present silence is {value} its mean interval (usually {usual})",
    ),
    feature(
        "periodicity_break",
        abs(silence - median_gap) / gaps.apply("median_deviation", "gap", 365),
        "number",
        (0, 3),
        it="il silenzio attuale dista {value} scarti tipici dal suo ritmo (di solito {usual})",
        en="the present silence is {value} typical deviations off its rhythm (usually {usual})",
    ),
    feature(
        "modal_weekday_share",
        largest(*by_weekday),
        "share",
        (0.3, 0.9),
        it="il {value} dei giorni di pagamento cade nello stesso giorno della settimana "
        "(di solito {usual})",
        en="{value} of payment days fall on the same weekday (usually {usual})",
    ),
    feature(
        "month_end_share",
        paydays.share("month_end", 365, equal=1),
        "share",
        (0.05, 0.5),
        it="il {value} dei giorni di pagamento cade a fine mese (di solito {usual})",
        en="{value} of payment days fall at the end of the month (usually {usual})",
    ),
    feature(
        "run_share",
        paid.sum("in_run", 365) / paid.sum("receipt", 365),
        "share",
        (0.2, 0.9),
        it="il {value} dei pagamenti salda più fatture insieme (di solito {usual})",
        en="{value} of payments clear several invoices together (usually {usual})",
    ),
    feature(
        "days_to_next_payday",
        (habitual_weekday - given("due_weekday")) % 7,
        "days",
        (0, 6),
        it="dopo la scadenza mancano {value} al suo abituale giorno di pagamento "
        "(di solito {usual})",
        en="its habitual payment day comes {value} after the due date (usually {usual})",
    ),
)
