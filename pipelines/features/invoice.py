"""This invoice: its amount, its terms, its due date and what was said about it."""

from pipelines.as_of import as_of, given
from pipelines.features.feature import family
from pipelines.invoice_events import LN_PARTS
from pipelines.streams import broken, disputed, moved, priced, promised, reminded, termed

feature = family("invoice", cause="this_invoice")

in_dispute = disputed.sum("change")

INVOICE = (
    feature(
        "amount",
        given("amount"),
        "cents",
        (5_000, 2_000_000),
        it="l'importo è {value} (di solito {usual})",
        en="the amount is {value} (usually {usual})",
    ),
    feature(
        "ln_amount",
        given("ln_amount") / LN_PARTS,
        "ln_cents",
        (8.5, 14.5),
        it="l'importo è di circa {value} (di solito {usual})",
        en="the amount is about {value} (usually {usual})",
    ),
    feature(
        "amount_z",
        (given("ln_amount") - priced.mean("ln_amount")) / priced.std("ln_amount"),
        "deviations",
        (-2, 2),
        it="per questo cliente l'importo è {value} (di solito {usual})",
        en="for this customer the amount is {value} (usually {usual})",
    ),
    feature(
        "amount_ratio",
        given("amount") / priced.mean("amount"),
        "ratio",
        (0.1, 3),
        it="l'importo è {value} quello medio del cliente (di solito {usual})",
        en="the amount is {value} this customer's average (usually {usual})",
    ),
    feature(
        "terms_days",
        given("terms"),
        "days",
        (14, 90),
        it="i termini di pagamento sono di {value} (di solito {usual})",
        en="the payment terms are {value} (usually {usual})",
    ),
    feature(
        "terms_diff",
        given("terms") - termed.mean("terms"),
        "days_longer",
        (-15, 15),
        it="rispetto a quelli abituali del cliente i termini sono {value} (di solito {usual})",
        en="compared with this customer's usual ones the terms are {value} (usually {usual})",
    ),
    feature(
        "days_to_due",
        given("due_day") - as_of,
        "days_until",
        (-30, 60),
        it="la scadenza è {value} (di solito {usual})",
        en="the due date is {value} (usually {usual})",
    ),
    feature(
        "due_dow",
        given("due_dow"),
        "weekday",
        (0, 4),
        it="la scadenza cade di {value} (di solito {usual})",
        en="the due date falls on a {value} (usually {usual})",
    ),
    feature(
        "due_dom",
        given("due_dom"),
        "number",
        (1, 31),
        it="la scadenza cade il giorno {value} del mese (di solito {usual})",
        en="the due date falls on day {value} of the month (usually {usual})",
    ),
    feature(
        "due_month",
        given("due_month"),
        "month",
        (1, 12),
        it="la scadenza cade in {value} (di solito {usual})",
        en="the due date falls in {value} (usually {usual})",
    ),
    feature(
        "due_month_end",
        given("due_month_end"),
        "flag",
        (0, 1),
        it="la scadenza cade a fine mese: {value} (di solito {usual})",
        en="the due date falls at the end of the month: {value} (usually {usual})",
    ),
    feature(
        "due_rolled_days",
        given("due_rolled_days"),
        "days",
        (0, 2),
        it="per festività e fine settimana la scadenza slitta di {value} (di solito {usual})",
        en="weekend and holidays move the due date by {value} (usually {usual})",
    ),
    feature(
        "paid_share",
        moved.sum("amount") / given("amount"),
        "share",
        (0, 0.5),
        it="la fattura è già coperta per il {value} (di solito {usual})",
        en="{value} of the invoice is already covered (usually {usual})",
    ),
    feature(
        "disputed",
        in_dispute.above(0),
        "flag",
        (0, 0),
        it="fattura contestata: {value} (di solito {usual})",
        en="invoice in dispute: {value} (usually {usual})",
    ),
    feature(
        "disputed_days",
        as_of * in_dispute - disputed.sum("change_day"),
        "days",
        (0, 30),
        it="la fattura è stata contestata per {value} (di solito {usual})",
        en="the invoice has been in dispute for {value} (usually {usual})",
    ),
    feature(
        "promise_pending",
        promised.sum("change").above(0),
        "flag",
        (0, 0),
        it="promessa di pagamento in corso: {value} (di solito {usual})",
        en="a promise to pay is pending: {value} (usually {usual})",
    ),
    feature(
        "broken_promises",
        broken.sum("change"),
        "count",
        (0, 0),
        it="promesse di pagamento non mantenute su questa fattura: {value} (di solito {usual})",
        en="promises to pay this invoice that were not kept: {value} (usually {usual})",
    ),
    feature(
        "n_reminders",
        reminded.count(),
        "count",
        (0, 2),
        it="la fattura è stata sollecitata {value:volta/volte} (di solito {usual})",
        en="the invoice has been chased {value:time/times} (usually {usual})",
    ),
)
