"""What a reason says where nothing is known: that a value is missing is a fact in words, too."""

from models import wording

WINDOWS_DAYS = ("90", "180", "365")  # a name that ends otherwise tells of no window

_PAYMENTS = (
    "non ci sono {when} abbastanza pagamenti per conoscere {cause}",
    "there are not enough payments {when} to know {cause}",
)
_INVOICES = (
    "non ci sono {when} abbastanza fatture per conoscere {cause}",
    "there are not enough invoices {when} to know {cause}",
)
_OTHERWISE = (
    "non si hanno {when} notizie per conoscere {cause}",
    "{cause}: nothing is known {when}",
)
_BY_CAUSE = {
    "delay_level": _PAYMENTS,
    "delay_trend": _PAYMENTS,
    "payment_rhythm": _PAYMENTS,
    "invoiced_vs_paid": _INVOICES,
    "activity": _INVOICES,
    "peers": _INVOICES,
}

_NO_LIMIT = ("non risulta alcun fido", "no credit limit is known")
_NOTHING_INVOICED = ("{when} non gli è stato fatturato nulla", "nothing was invoiced {when}")
_NO_OTHERS = (
    "troppo poche fatture precedenti con cui confrontare l'importo",
    "too few earlier invoices to compare the amount with",
)
# Where a missing value says more than that it is missing.
_BY_FEATURE = {
    "oldest_overdue_age": ("non ha nulla di scaduto", "has nothing overdue"),
    "overdue_share": ("non deve ancora nulla", "owes nothing yet"),
    "limit_use": _NO_LIMIT,
    "limit_room": _NO_LIMIT,
    "insured_share": ("non risulta un fido assicurato", "no insured credit limit is known"),
    "credit_line_cut": (
        "non risulta un fido di sei mesi fa con cui confrontare quello di oggi",
        "no credit limit of six months ago is known to compare today's with",
    ),
    "external_rating": ("non risulta alcun rating esterno", "no external rating is known"),
    "external_rating_change": (
        "non risultano rating esterni successivi da confrontare",
        "no later external ratings are known to compare",
    ),
    "short_share": ("non ha ancora pagato alcuna fattura", "has not paid any invoice yet"),
    "short_residual_mean": (
        "nessuna fattura scaduta è pagata solo in parte",
        "no overdue invoice is paid only in part",
    ),
    "paid_vs_invoiced_gap": (
        "negli ultimi 90 giorni non è scaduto nulla",
        "nothing fell due over the last 90 days",
    ),
    **{f"paid_ratio{window}": _NOTHING_INVOICED for window in ("", "_90", "_180", "_365")},
    "credit_note_share_365": _NOTHING_INVOICED,
    "amount_z": _NO_OTHERS,
    "amount_ratio": _NO_OTHERS,
    "terms_days": ("i termini di pagamento non sono noti", "the payment terms are not known"),
    "terms_diff": (
        "i termini di pagamento abituali non sono noti",
        "the usual payment terms are not known",
    ),
    "ln_amount": ("la fattura non ha un importo", "the invoice has no amount"),
}


def sentence(cause: str, cause_name: str, feature: str | None, language: str) -> str:
    """What it means that this feature's value is missing."""
    templates = _BY_FEATURE.get(feature or "") or _BY_CAUSE.get(cause, _OTHERWISE)
    english = wording.checked(language) == "en"
    return wording.fill(
        templates[english], when=_when(feature or "", english=english), cause=cause_name
    )


def _when(feature: str, *, english: bool) -> str:
    days = feature.rpartition("_")[2]
    if days not in WINDOWS_DAYS:
        return "yet" if english else "ancora"
    return f"over the last {days} days" if english else f"negli ultimi {days} giorni"
