"""Invoiced against paid: what is open, overdue, short-paid or not yet matched."""

from pipelines.as_of import as_of
from pipelines.features.feature import WINDOWS, family, over_en, over_it, suffix
from pipelines.ledger import NEVER
from pipelines.streams import (
    broken_of_customer,
    credited,
    due,
    issued,
    oldest_overdue,
    paid,
    reduced,
    reduced_due,
    touched,
    unallocated,
)

feature = family("gaps", cause="invoiced_vs_paid")

outstanding = issued.sum("amount") - reduced.sum("amount")
overdue = due.sum("amount") - reduced_due.sum("amount")

GAPS = (
    feature(
        "outstanding",
        outstanding,
        "cents",
        (0, 5_000_000),
        cause="exposure",
        it="deve in tutto {value} (di solito {usual})",
        en="owes {value} in all (usually {usual})",
    ),
    feature(
        "overdue",
        overdue,
        "cents",
        (0, 1_000_000),
        cause="exposure",
        it="ha {value} di scaduto (di solito {usual})",
        en="has {value} overdue (usually {usual})",
    ),
    feature(
        "n_overdue",
        due.count() - reduced_due.sum("closed"),
        "count",
        (0, 5),
        cause="exposure",
        it="ha {value:fattura scaduta/fatture scadute} (di solito {usual})",
        en="has {value:overdue invoice/overdue invoices} (usually {usual})",
    ),
    feature(
        "oldest_overdue_age",
        as_of - oldest_overdue.last("due_day").unless(int(NEVER)),
        "days",
        (1, 60),
        cause="exposure",
        it="la fattura scaduta più vecchia lo è da {value} (di solito {usual})",
        en="the oldest overdue invoice has been overdue for {value} (usually {usual})",
    ),
    feature(
        "overdue_share",
        overdue / outstanding,
        "share",
        (0, 0.5),
        cause="exposure",
        it="il {value} di quanto deve è scaduto (di solito {usual})",
        en="{value} of what it owes is overdue (usually {usual})",
    ),
    *(
        feature(
            f"invoiced{suffix(w)}",
            issued.sum("amount", w),
            "cents",
            (0, 20_000_000),
            it=f"ha ricevuto fatture per {{value}}{over_it(w)} (di solito {{usual}})",
            en=f"was invoiced {{value}}{over_en(w)} (usually {{usual}})",
        )
        for w in WINDOWS
    ),
    *(
        feature(
            f"paid{suffix(w)}",
            paid.sum("amount", w),
            "cents",
            (0, 20_000_000),
            it=f"ha pagato {{value}}{over_it(w)} (di solito {{usual}})",
            en=f"paid {{value}}{over_en(w)} (usually {{usual}})",
        )
        for w in WINDOWS
    ),
    *(
        feature(
            f"paid_ratio{suffix(w)}",
            paid.sum("amount", w) / issued.sum("amount", w),
            "share",
            (0.6, 1.3),
            it=f"ha pagato il {{value}} del fatturato{over_it(w)} (di solito {{usual}})",
            en=f"paid {{value}} of what was invoiced{over_en(w)} (usually {{usual}})",
        )
        for w in WINDOWS
    ),
    feature(
        "paid_vs_invoiced_gap",
        1 - paid.sum("amount", 90) / due.sum("amount", 90),
        "share_missing",
        (-0.3, 0.4),
        it="negli ultimi 90 giorni {value} (di solito {usual})",
        en="over the last 90 days {value} (usually {usual})",
    ),
    feature(
        "short_share",
        reduced_due.sum("short") / touched.count(),
        "share",
        (0, 0.2),
        it="il {value} delle fatture pagate lo è solo in parte (di solito {usual})",
        en="{value} of the invoices it paid are paid only in part (usually {usual})",
    ),
    feature(
        "short_residual_mean",
        reduced_due.sum("residual") / reduced_due.sum("short"),
        "cents",
        (100, 100_000),
        it="sulle fatture pagate in parte restano in media {value} (di solito {usual})",
        en="part-paid invoices are short by {value} on average (usually {usual})",
    ),
    feature(
        "n_partial_365",
        paid.sum("partial", 365),
        "count",
        (0, 5),
        it="ha fatto {value:pagamento parziale/pagamenti parziali} nell'ultimo anno "
        "(di solito {usual})",
        en="made {value:part payment/part payments} over the last year (usually {usual})",
    ),
    feature(
        "unallocated",
        unallocated.sum("amount"),
        "cents",
        (0, 100_000),
        it="ha incassi non ancora abbinati per {value} (di solito {usual})",
        en="has {value} of cash not yet matched with invoices (usually {usual})",
    ),
    feature(
        "broken_promises_365",
        broken_of_customer.sum("change", 365),
        "count",
        (0, 1),
        it="promesse di pagamento non mantenute nell'ultimo anno: {value} (di solito {usual})",
        en="promises to pay not kept over the last year: {value} (usually {usual})",
    ),
    feature(
        "credit_note_share_365",
        credited.sum("amount", 365) / issued.sum("amount", 365),
        "share",
        (0, 0.1),
        it="le note di credito dell'ultimo anno sono il {value} del fatturato (di solito {usual})",
        en="credit notes of the last year are {value} of what was invoiced (usually {usual})",
    ),
)
