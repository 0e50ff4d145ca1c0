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
    *(
        feature(
            f"delay_median{suffix(w)}",
            settled.median("delay", w),
            "days_late",
            (-5, 25),
            it=f"una fattura su due{over_it(w)} è pagata entro: {{value}} (di solito {{usual}})",
            en=f"one invoice in two{over_en(w)} was paid by: {{value}} (usually {{usual}})",
        )
        for w in WINDOWS
    ),
    *(
        feature(
            f"delay_mean_weighted{suffix(w)}",
            settled.sum("weighted", w) / settled.sum("amount", w),
            "days_late",
            (-5, 30),
            it=f"ogni euro{over_it(w)} è arrivato in media {{value}} (di solito {{usual}})",
            en=f"each euro{over_en(w)} came on average {{value}} (usually {{usual}})",
        )
        for w in WINDOWS
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
        for w in WINDOWS
    ),
    *(
        feature(
            f"late30_share{suffix(w)}",
            settled.share("delay", w, above=30),
            "share",
            (0, 0.1),
            it=f"paga con oltre 30 giorni di ritardo il {{value}} delle fatture{over_it(w)} "
            "(di solito {usual})",
            en=f"pays {{value}} of invoices more than 30 days late{over_en(w)} (usually {{usual}})",
        )
        for w in WINDOWS
    ),
)
