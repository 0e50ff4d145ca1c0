"""Delay level: how late the customer pays, counted from the business due date."""

from pipelines.features.feature import WINDOWS, family, over_en, over_it, suffix
from pipelines.streams import settled

feature = family("delays", cause="delay_level")

DELAYS = (
    *(
        feature(
            f"delay_mean{suffix(w)}",
            settled.mean("delay", w),
            "days_late",
            (-5, 30),
            it=f"paga in media {{value}}{over_it(w)} (di solito {{usual}})",
            en=f"pays on average {{value}}{over_en(w)} (usually {{usual}})",
        )
        for w in WINDOWS
    ),
    *(
        feature(
            f"delay_std{suffix(w)}",
            settled.std("delay", w),
            "days",
            (0, 20),
            it=f"i ritardi variano di {{value}}{over_it(w)} (di solito {{usual}})",
            en=f"delays vary by {{value}}{over_en(w)} (usually {{usual}})",
        )
        for w in WINDOWS
    ),
    *(
        feature(
            f"delay_max{suffix(w)}",
            settled.max("delay", w),
            "days_late",
            (0, 90),
            it=f"il pagamento più tardivo{over_it(w)} è arrivato {{value}} (di solito {{usual}})",
            en=f"the latest payment{over_en(w)} came {{value}} (usually {{usual}})",
        )
        for w in WINDOWS
    ),
    feature(
        "delay_median_365",
        settled.median("delay", 365),
        "days_late",
        (-5, 25),
        it="nell'ultimo anno una fattura su due è pagata entro: {value} (di solito {usual})",
        en="over the last year one invoice in two was paid by: {value} (usually {usual})",
    ),
    feature(
        "delay_mean_weighted_365",
        settled.sum("weighted", 365) / settled.sum("amount", 365),
        "days_late",
        (-5, 30),
        it="ogni euro dell'ultimo anno è arrivato in media {value} (di solito {usual})",
        en="each euro of the last year came on average {value} (usually {usual})",
    ),
    *(
        feature(
            f"late0_share{suffix(w)}",
            settled.share("delay", w, above=0),
            "share",
            (0, 0.6),
            it=f"paga in ritardo il {{value}} delle fatture{over_it(w)} (di solito {{usual}})",
            en=f"pays {{value}} of invoices late{over_en(w)} (usually {{usual}})",
        )
        for w in (None, 90, 365)
    ),
    *(
        feature(
            f"late30_share{suffix(w)}",
            settled.share("delay", w, above=30),
            "share",
            (0, 0.1),
            it=f"paga oltre 30 giorni dopo il {{value}} delle fatture{over_it(w)} "
            "(di solito {usual})",
            en=f"pays {{value}} of invoices more than 30 days late{over_en(w)} (usually {{usual}})",
        )
        for w in (None, 365)
    ),
)
