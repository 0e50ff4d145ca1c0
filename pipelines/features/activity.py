"""Activity: how long and how much the customer has been buying."""

from pipelines.features.feature import family
from pipelines.streams import issued, reduced, settled

feature = family("activity", cause="activity")

ACTIVITY = (
    feature(
        "n_invoices",
        issued.count(),
        "count",
        (5, 500),
        it="ha ricevuto finora {value:fattura/fatture} (di solito {usual})",
        en="has been sent {value:invoice/invoices} so far (usually {usual})",
    ),
    feature(
        "n_invoices_90",
        issued.count(90),
        "count",
        (1, 50),
        it="ha ricevuto {value:fattura/fatture} negli ultimi 90 giorni (di solito {usual})",
        en="has been sent {value:invoice/invoices} over the last 90 days (usually {usual})",
    ),
    feature(
        "tenure_days",
        issued.tenure("issue_day"),
        "days",
        (90, 3650),
        it="la prima fattura è di {value} fa (di solito {usual})",
        en="the first invoice was {value} ago (usually {usual})",
    ),
    feature(
        "days_since_last_invoice",
        issued.age("latest"),
        "days",
        (0, 60),
        it="l'ultima fattura è di {value} fa (di solito {usual})",
        en="the last invoice was {value} ago (usually {usual})",
    ),
    feature(
        "n_settled",
        settled.count(),
        "count",
        (5, 500),
        it="ha pagato finora {value:fattura/fatture} (di solito {usual})",
        en="has paid {value:invoice/invoices} so far (usually {usual})",
    ),
    *(
        feature(
            f"n_settled_{w}",
            settled.count(w),
            "count",
            (1, 200),
            it=f"ha pagato {{value:fattura/fatture}} negli ultimi {w} giorni (di solito {{usual}})",
            en=f"has paid {{value:invoice/invoices}} over the last {w} days (usually {{usual}})",
        )
        for w in (90, 365)
    ),
    feature(
        "n_open",
        issued.count() - reduced.sum("closed"),
        "count",
        (0, 20),
        cause="exposure",
        it="ha {value:fattura aperta/fatture aperte} (di solito {usual})",
        en="has {value:open invoice/open invoices} (usually {usual})",
    ),
)
