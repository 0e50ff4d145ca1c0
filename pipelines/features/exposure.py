"""Exposure: how much of its credit the customer uses, who insures it, what agencies think."""

from pipelines.features.feature import family
from pipelines.features.gaps import outstanding
from pipelines.standing_events import NOT_KNOWN, SAFETY_PARTS
from pipelines.streams import limits, rated, rerated

feature = family("exposure", cause="exposure")

CHANGE_DAYS = 180  # limits are reviewed and companies rated about twice a year

limit = limits.last("amount")

EXPOSURE = (
    feature(
        "limit_use",
        outstanding / limit,
        "share",
        (0, 0.9),
        it="usa il {value} del fido (di solito {usual})",
        en="uses {value} of its credit limit (usually {usual})",
    ),
    feature(
        "limit_room",
        limit - outstanding,
        "cents_left",
        (0, 5_000_000),
        it="il fido {value} (di solito {usual})",
        en="the credit limit {value} (usually {usual})",
    ),
    feature(
        "credit_line_cut",
        limit / limits.last("amount", days_ago=CHANGE_DAYS) - 1,
        "share_grown",
        (-0.1, 0.25),
        it="in 180 giorni il fido è {value} (di solito {usual})",
        en="over 180 days the credit limit has {value} (usually {usual})",
    ),
    feature(
        "insured_share",
        limits.last("insured").unless(NOT_KNOWN) / limit,
        "share",
        (0, 1),
        it="il fido è assicurato per il {value} (di solito {usual})",
        en="{value} of the credit limit is insured (usually {usual})",
    ),
    feature(
        "external_rating",
        rated.last("safety") / SAFETY_PARTS,
        "number",
        (0.4, 0.9),
        it="rating esterno {value}, dove 1 è il più sicuro (di solito {usual})",
        en="external rating {value}, where 1 is the safest (usually {usual})",
    ),
    feature(
        "external_rating_change",
        rerated.sum("change", CHANGE_DAYS) / SAFETY_PARTS * rerated.count().above(0).unless(0),
        "safer",
        (-0.1, 0.1),
        it="in 180 giorni il rating esterno è {value} (di solito {usual})",
        en="over 180 days the external rating has {value} (usually {usual})",
    ),
)
