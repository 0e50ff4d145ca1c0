"""GET /v1/portfolio: what makes the night's risk, its change, KPIs, forecast and provisions."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from models import causes
from pipelines.portfolio_risk import risk_of
from pipelines.snapshot import Snapshot
from serving.answers import Answer, JsonAnswer, Provenance, units
from serving.at_hand import AtHand
from serving.changes import NightChanges, changes_of
from serving.invoices import InLanguage
from serving.phrases import cause_name, word
from serving.problems import EVERY_ROUTE, declared
from serving.segments import Segment, segments_of
from serving.strict_requests import StrictRoute

Risk = Mapping[str, Any]  # as `pipelines.portfolio_risk` gives it


class Amount(Answer):
    """A sum now and the night before; null where there is no night to compare with."""

    now: float
    before: float | None


class RiskReason(Answer):
    """What a group of facts adds to the amount that is expected late."""

    feature_group: str = Field(examples=["delay_level"])
    text: str = Field(examples=["past delays"])
    amount: Amount = Field(description="what is open of each invoice times the points, added up")
    points: float = Field(description="the same over what is open in all; 0.01 is one point")
    value_at_risk: Amount = Field(description="of the invoices that this reason raises most")


class RiskPart(Answer):
    """The open invoices that carry a likely cause or a warning."""

    code: str = Field(examples=["habit"])
    text: str
    invoices: int
    open_amount: Amount
    value_at_risk: Amount


class ComparedWith(Answer):
    """The night before, and the model that answered then."""

    as_of: date
    model_version: str


class Ageing(Answer):
    """What is open, by days past the due business day."""

    not_due: float
    days_1_30: float
    days_31_60: float
    days_61_90: float
    days_over_90: float


class RollRates(Answer):
    """What a bucket of the ageing holds, over what the younger one held a month before."""

    not_due_to_days_1_30: float | None
    days_1_30_to_days_31_60: float | None
    days_31_60_to_days_61_90: float | None
    days_61_90_to_days_over_90: float | None = Field(description="with what was in it already")


class Kpis(Answer):
    """The figures of receivables as of a day; null where there is nothing to divide by."""

    as_of: date
    period_days: int = Field(examples=[90], description="before the day")
    receivables: float
    opening_receivables: float = Field(description="when the period began")
    sales: float = Field(description="invoiced in the period, less credit notes")
    dso_days: float | None = Field(description="receivables over sales times days")
    count_back_dso_days: float | None = Field(description="days of the newest sales, in months")
    best_possible_dso_days: float | None = Field(description="the same of what is not yet due")
    add_days: float | None = Field(description="average days delinquent: dso less the best")
    cei_percent: float | None = Field(description="what was collected of what could be")
    ageing: Ageing
    roll_rates: RollRates
    payments: int = Field(description="payments on invoices in the period")
    average_days_late: float | None
    late_payment_share: float | None
    promises: int = Field(description="promises whose day ended in the period")
    promise_kept_share: float | None
    disputed_share: float | None = Field(description="of the receivables")
    at_risk_share: float | None = Field(description="of the receivables, over 90 days late")


class ForecastWeek(Answer):
    """The cash of seven days, from what is open now."""

    begins: date
    expected: float
    low: float = Field(description="8 times in 10 it is between this and `high`")
    high: float


class PastWeek(Answer):
    """The cash that seven days brought, for whatever invoice."""

    begins: date
    received: float


class CashForecast(Answer):
    """What comes in over the next weeks of what is open; invoices still to come would add to it."""

    as_of: date
    open_amount: float
    interval: float = Field(
        examples=[0.8], description="how often the sum lies inside low and high"
    )
    weeks: list[ForecastWeek]
    past_weeks: list[PastWeek]


class Provision(Answer):
    """A line of the provision matrix (IFRS 9, simplified approach), and the model's own figure."""

    bucket: str = Field(examples=["days_31_60"], description="days past the due business day")
    open_amount: float
    rate: float | None = Field(description="past losses of such invoices; null: none has matured")
    provision: float | None
    expected_loss: float = Field(description="what the model expects to lose of the same invoices")


class PortfolioRisk(Provenance):
    """The open invoices together: base_amount and the causes' amounts add up to late_amount."""

    n_invoices: int
    open_amount: Amount
    base_amount: Amount = Field(description="expected late if no invoice had anything to tell")
    late_amount: Amount = Field(
        description="what is open times the probability that the reasons explain"
    )
    value_at_risk: Amount
    causes: list[RiskReason]
    cause_hints: list[RiskPart]
    signals: list[RiskPart] = Field(description="an invoice counts under each of its warnings")
    compared_with: ComparedWith | None
    kpis: Kpis | None = Field(description="null for a night that noted none")
    kpis_before: list[Kpis] = Field(description="as of the first of each of the months before")
    forecast: CashForecast | None = Field(description="null for a night that noted none")
    provisions: list[Provision] = Field(description="by age; empty for a night that noted none")
    segments: list[Segment] = Field(description="empty for a night that noted none")
    changes: NightChanges | None = Field(description="null where there was no night before")


class Risks:
    """The risk of the night that is read, worked out once for each night."""

    def __init__(self) -> None:
        self._known: tuple[str, Risk] | None = None

    def of(self, snapshot: Snapshot) -> Risk:
        """What the night noted, or for one that noted nothing the sums of its scores."""
        if self._known is None or self._known[0] != snapshot.name:
            noted = snapshot.manifest["facts"].get("risk")
            self._known = snapshot.name, noted or risk_of(snapshot.scores())
        return self._known[1]


def portfolio_risk(snapshot: Snapshot, risks: Risks, language: str) -> dict[str, Any]:
    """The night's risk beside that of the night before, in words."""
    risk = risks.of(snapshot)
    noted = snapshot.manifest["facts"].get("risk_before")
    before = noted["risk"] if noted else None
    return {
        "n_invoices": risk["invoices"],
        "open_amount": _amount(risk, before, "open_cents"),
        "base_amount": _amount(risk, before, "base_cents"),
        "late_amount": _amount(risk, before, "late_cents"),
        "value_at_risk": _amount(risk, before, "value_at_risk_cents"),
        "causes": [
            {
                "feature_group": code,
                "text": cause_name(code, language),
                "amount": _amount(now, then, "cents"),
                "points": now.get("points", 0.0),
                "value_at_risk": _amount(now, then, "value_at_risk_cents"),
            }
            for code, now, then in _paired(risk, before, "causes", "feature_group")
        ],
        "cause_hints": _parts(
            risk, before, "cause_hints", lambda code: _cause_text(code, language)
        ),
        "signals": _parts(risk, before, "signals", lambda code: word("signals", code, language)),
        "compared_with": noted and {name: noted[name] for name in ("as_of", "model_version")},
    }


def _parts(
    risk: Risk, before: Risk | None, what: str, text: Callable[[str], str]
) -> list[dict[str, Any]]:
    return [
        {
            "code": code,
            "text": text(code),
            "invoices": now.get("invoices", 0),
            "open_amount": _amount(now, then, "open_cents"),
            "value_at_risk": _amount(now, then, "value_at_risk_cents"),
        }
        for code, now, then in _paired(risk, before, what, "code")
    ]


def kpis_of(noted: Mapping[str, Any] | None) -> dict[str, Any]:
    """The KPIs that a night noted, and those of the months before it."""
    if noted is None:
        return {"kpis": None, "kpis_before": []}
    return {"kpis": _kpis(noted["now"]), "kpis_before": [_kpis(of) for of in noted["history"]]}


def forecast_of(noted: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The cash forecast that a night noted, in units."""
    if noted is None:
        return None
    weeks = [
        {
            "begins": week["begins"],
            **{name: units(week[f"{name}_cents"]) for name in ("expected", "low", "high")},
        }
        for week in noted["weeks"]
    ]
    past = [{"begins": of["begins"], "received": units(of["cents"])} for of in noted["received"]]
    return {
        "as_of": noted["as_of"],
        "open_amount": units(noted["open_cents"]),
        "interval": noted["interval"],
        "weeks": weeks,
        "past_weeks": past,
    }


def provisions_of(noted: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The provision matrix that a night noted, in units."""
    return [
        {
            "bucket": of["bucket"],
            "open_amount": units(of["open_cents"]),
            "rate": of["rate"],
            "provision": None if of["provision_cents"] is None else units(of["provision_cents"]),
            "expected_loss": units(of["expected_loss_cents"]),
        }
        for of in noted
    ]


def _kpis(of: Mapping[str, Any]) -> dict[str, Any]:
    """One day's KPIs, amounts in units."""
    told = {name: value for name, value in of.items() if not name.endswith("_cents")}
    for name in ("receivables", "opening_receivables", "sales"):
        told[name] = units(of[f"{name}_cents"])
    return {**told, "ageing": {age: units(cents) for age, cents in of["ageing_cents"].items()}}


def _paired(
    risk: Risk, before: Risk | None, what: str, key: str
) -> Iterable[tuple[str, Risk, Risk | None]]:
    """Each code with what it was and is; what only was comes last."""
    now = {of[key]: of for of in risk[what]}
    then = {of[key]: of for of in before[what]} if before else {}
    for code in dict.fromkeys([*now, *then]):
        yield code, now.get(code, {}), then.get(code, {}) if before is not None else None


def _amount(now: Risk, before: Risk | None, name: str) -> dict[str, float | None]:
    then = None if before is None else units(before.get(name, 0))
    return {"now": units(now.get(name, 0)), "before": then}


def _cause_text(code: str, language: str) -> str:
    """The word for a likely cause; one of another version is shown as it is."""
    return causes.sentence(code, language) if code in causes.CODES else code.replace("_", " ")


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["last night's scores"], route_class=StrictRoute)
    risks = Risks()

    @router.get(
        "/v1/portfolio",
        summary="What makes the risk of all open invoices",
        response_model=PortfolioRisk,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_portfolio(lang: InLanguage = None) -> JsonAnswer:
        """By reason, by likely cause and by warning, beside the night before."""
        snapshot = at_hand.scores()
        language = at_hand.said_in(lang, snapshot)["language"]
        facts = snapshot.manifest["facts"]
        return JsonAnswer(
            {
                **at_hand.provenance(snapshot),
                **portfolio_risk(snapshot, risks, language),
                **kpis_of(facts.get("kpis")),
                "forecast": forecast_of(facts.get("forecast")),
                "provisions": provisions_of(facts.get("provision", ())),
                "segments": segments_of(facts.get("segments", ()), language),
                "changes": changes_of(facts.get("changes")),
            }
        )

    return router
