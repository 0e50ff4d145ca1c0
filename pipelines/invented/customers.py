"""Who the invented customers are: one block of them, one array a trait, and the names they go by.

Nobody is real: names are put together from neutral words, VAT numbers are of a kind that is never
issued, mail goes to the reserved domain `.example`.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.invented import temperaments as tempers
from pipelines.ledger import NEVER

BLOCK = 100  # customers drawn together: fixed, so that none depends on how many are asked for

COUNTRIES = ("IT", "DE", "FR", "ES")
LANGUAGES = ("it", "de", "fr", "es")
COLLECTORS = ("anna", "bruno", "carla")
SEGMENTS = ("micro", "small", "medium", "large", "public")
RATE_BY_SEGMENT = np.array([1.2, 2.4, 4.5, 10.0, 3.0])  # invoices a month
AMOUNT_BY_SEGMENT_EUR = np.array([420.0, 950.0, 2_200.0, 5_200.0, 2_600.0])  # a usual invoice
PROVINCES = (
    "MI",
    "TO",
    "BO",
    "VR",
    "NA",
    "RM",
    "FI",
    "BS",
    "PD",
    "BG",
    "BA",
    "CT",
    "GE",
    "MO",
    "TV",
)
INDUSTRIES = (
    "10.51",
    "25.62",
    "28.99",
    "41.20",
    "46.69",
    "47.52",
    "49.41",
    "56.10",
    "62.01",
    "86.10",
)
TRADES = (
    "Officine", "Forniture", "Meccanica", "Ceramiche", "Tessuti", "Edilizia", "Impianti", "Sistemi",
    "Trasporti", "Cartiera", "Vetreria", "Serramenti", "Utensili", "Arredi", "Imballaggi", "Cucine",
)  # fmt: skip
PLACES_FIRST = ("Val", "Monte", "Borgo", "Rio", "Campo", "Ponte", "Colle", "Riva", "Pian", "Torre")
PLACES_LAST = (
    "dora",
    "lupino",
    "sereno",
    "argento",
    "chiaro",
    "verzo",
    "landa",
    "morino",
    "brano",
    "fiorito",
)
FORMS = ("srl", "spa", "di", "gmbh", "sas_fr", "sl", "ente")
FORM_LABELS = ("S.r.l.", "S.p.A.", "Ditta Individuale", "GmbH", "SAS", "S.L.", "Ente Pubblico")
METHODS = ("bank_transfer", "riba", "direct_debit", "card")
RUNS = ("any_day", "10th_and_25th", "fridays", "month_end")


@dataclass(frozen=True)
class Customers:
    """One block of invented customers, a value per customer in every array."""

    number: np.ndarray
    temperament: np.ndarray
    country: np.ndarray
    segment: np.ndarray
    form: np.ndarray
    trade: np.ndarray
    place_first: np.ndarray
    place_last: np.ndarray
    province: np.ndarray
    industry: np.ndarray
    company: np.ndarray
    group: np.ndarray  # -1: none
    method: np.ndarray
    run: np.ndarray
    terms: np.ndarray  # row of invoices.TERMS
    first_day: np.ndarray  # first invoice possible
    since_day: np.ndarray
    rate: np.ndarray  # invoices a month
    usual_eur: np.ndarray
    delay_days: np.ndarray  # usual delay
    season_days: np.ndarray  # extra delay at the top of the season
    season_month: np.ndarray
    onset_day: np.ndarray  # NEVER: no trouble
    slope_days: np.ndarray  # delay added by each month after the onset
    stop_day: np.ndarray  # after it nothing is paid
    held_out: np.ndarray
    do_not_contact: np.ndarray
    takes_discounts: np.ndarray
    gaps: np.ndarray  # one uniform number, to leave some fields empty

    @property
    def is_public(self) -> np.ndarray:
        return np.asarray(self.segment == SEGMENTS.index("public"))

    @property
    def is_natural(self) -> np.ndarray:
        return np.asarray(self.form == FORMS.index("di"))

    def is_a(self, temperament: str) -> np.ndarray:
        return np.asarray(self.temperament == tempers.CODE[temperament])


def draw(rng: np.random.Generator, *, block: int, start: int, until: int) -> Customers:
    """The customers of this block, whose ledger runs from `start` to `until`."""
    n = BLOCK
    country = rng.choice(4, n, p=[0.82, 0.07, 0.06, 0.05])
    segment = rng.choice(5, n, p=[0.22, 0.40, 0.24, 0.09, 0.05])
    public = segment == SEGMENTS.index("public")
    country = np.where(public, 0, country)

    temperament = rng.choice(len(tempers.NAMES), n, p=tempers.trait("share"))
    sound = np.where(
        temperament == tempers.CODE["sliding"], tempers.CODE["habitual_late"], temperament
    )
    temperament = np.where(public, sound, temperament)  # a public body pays late, but it pays
    is_a = {name: temperament == code for name, code in tempers.CODE.items()}

    late_start = rng.random(n) < 0.15
    first_day = np.where(
        late_start, start + rng.integers(0, max(1, (until - start) // 2), n), start
    )
    first_day = np.where(
        is_a["newcomer"], np.maximum(start, until - rng.integers(20, 120, n)), first_day
    )
    older = np.where(first_day > start, rng.integers(0, 20, n), rng.integers(0, 3_000, n))

    spread = rng.standard_normal(n)
    habit = np.exp(0.65 * spread - 0.2)  # habits are skewed: a few pay very late always
    mean, sd = (
        tempers.trait("delay_mean_days")[temperament],
        tempers.trait("delay_spread_days")[temperament],
    )
    delay = np.where(is_a["habitual_late"], mean * habit, mean + sd * spread)
    delay += np.where(public, 9.0, 0.0) + np.where(country == 1, -1.5, 0.0)

    onset = start + 100 + rng.integers(0, max(1, until - start - 80), n)
    stop = onset + rng.integers(110, 330, n)
    recovers = rng.random(n) < 0.3
    return Customers(
        number=block * BLOCK + np.arange(n),
        temperament=temperament,
        country=country,
        segment=segment,
        form=_legal_forms(rng, country, segment),
        trade=rng.integers(0, len(TRADES), n),
        place_first=rng.integers(0, len(PLACES_FIRST), n),
        place_last=rng.integers(0, len(PLACES_LAST), n),
        province=rng.integers(0, len(PROVINCES), n),
        industry=rng.integers(0, len(INDUSTRIES), n),
        company=rng.choice(2, n, p=[0.7, 0.3]),
        group=np.where(rng.random(n) < 0.08, rng.integers(0, 5, n), -1),
        method=_methods(rng, country, is_a),
        run=_runs(rng, is_a),
        terms=_terms(rng, country, public),
        first_day=first_day,
        since_day=first_day - older,
        rate=RATE_BY_SEGMENT[segment] * np.exp(0.75 * rng.standard_normal(n)),
        usual_eur=AMOUNT_BY_SEGMENT_EUR[segment] * np.exp(0.6 * rng.standard_normal(n)),
        delay_days=delay,
        season_days=np.where(is_a["seasonal"], rng.uniform(14, 38, n), 0.0),
        season_month=rng.integers(0, 12, n),
        onset_day=np.where(is_a["sliding"], onset, NEVER),
        slope_days=rng.uniform(6, 15, n),
        stop_day=np.where(is_a["sliding"] & ~recovers, stop, NEVER),
        held_out=rng.random(n) < 0.06,
        do_not_contact=rng.random(n) < 0.02,
        takes_discounts=~public & (rng.random(n) < 0.12),
        gaps=rng.random(n),
    )


def _legal_forms(rng: np.random.Generator, country: np.ndarray, segment: np.ndarray) -> np.ndarray:
    abroad = np.array([0, 3, 4, 5])[country]
    sole_trader = (segment == 0) & (rng.random(len(country)) < 0.5)
    italian = np.where(sole_trader, 2, np.where(segment == 3, 1, 0))
    form = np.where(country == 0, italian, abroad)
    return np.where(segment == SEGMENTS.index("public"), FORMS.index("ente"), form)


def _methods(
    rng: np.random.Generator, country: np.ndarray, is_a: dict[str, np.ndarray]
) -> np.ndarray:
    """Bank receipts (riba) are collected on the due day: only who pays about then accepts them."""
    chance = np.select(
        [is_a["punctual"], is_a["sliding"], is_a["seasonal"]], [0.25, 0.25, 0.10], 0.0
    )
    other = rng.choice([0, 2, 3], len(country), p=[0.93, 0.04, 0.03])
    return np.where((country == 0) & (rng.random(len(country)) < chance), 1, other)


def _runs(rng: np.random.Generator, is_a: dict[str, np.ndarray]) -> np.ndarray:
    run = rng.choice([1, 2, 3], len(is_a["payment_run"]), p=[0.5, 0.35, 0.15])
    return np.where(is_a["payment_run"], run, 0)


def _terms(rng: np.random.Generator, country: np.ndarray, public: np.ndarray) -> np.ndarray:
    n = len(country)
    italian = rng.choice(7, n, p=[0.22, 0.15, 0.04, 0.24, 0.20, 0.08, 0.07])
    abroad = rng.choice([0, 1, 3], n, p=[0.7, 0.2, 0.1])
    return np.where(public, 0, np.where(country == 0, italian, abroad))
