"""GET /v1/plan: the day's work, one contact for each customer within what the day holds."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from models.catalogue import Catalogue
from pipelines.lookup import Row
from pipelines.snapshot import Snapshot
from serving.answers import (
    Alternative,
    Answer,
    JsonAnswer,
    LegalNote,
    Provenance,
    legal_notes,
    units,
)
from serving.at_hand import AtHand
from serving.invoices import InLanguage
from serving.phrases import action_text, block_text
from serving.problems import EVERY_ROUTE, Problem, declared
from serving.strict_requests import StrictRoute
from serving.worklist import Cursor, Filtered, Limit, filtered, plan_page

CustomerSort = Literal["worth", "open", "overdue", "risk", "probability", "name"]
NO_PLAN = "This night was published without a plan: run `puntuale nightly`."


class Blocked(Answer):
    """The better action that could not be taken, and what stood in its way."""

    code: str
    expected_value: float | None
    by: list[str] = Field(examples=[["capacity"]])
    text: str


class Contact(Answer):
    """What is done with a customer on the day, about which invoices, and what for."""

    customer_id: str
    customer_name: str | None
    n_invoices: int
    open_amount: float
    risk_band: str = Field(description="the worst of its invoices")
    code: str = Field(examples=["reminder_1"])
    channel: str | None
    on: date = Field(description="for `wait`, the day to look again")
    why: str
    expected_value: float
    effect_days: float
    effect_interval: tuple[float, float]
    effect_source: str
    invoices: list[str] = Field(description="that the action is about")
    blocked: Blocked | None
    alternatives: list[Alternative]
    legal_basis: str | None
    legal_notes: list[LegalNote]
    needs_named_person: bool = Field(description="only proposed: a named person decides")
    held_out: bool
    propensity: float = Field(description="the probability of this, given `held_out`")
    chances: dict[str, float] = Field(description="of every option, the hold-out's share included")
    policy_version: str
    features_hash: str


class Capacity(Answer):
    """What of a channel's day is used."""

    used: float
    limit: float | None
    of: str = Field(examples=["minutes"])


class DayPlan(Provenance):
    """A page of the day's plan: contacts by worth, then who waits."""

    policy_version: str
    contacted: int = Field(description="customers with something to be done today")
    worth: float
    bound: float = Field(description="no plan within the limits is worth more")
    capacity: dict[str, Capacity]
    total: int = Field(description="customers under this filter")
    next_cursor: str | None = Field(description="for the next page; null on the last")
    customers: list[Contact]


def contact(row: Row, *, language: str, currency: str, catalogue: Catalogue) -> dict[str, Any]:
    """The answer about one row of the plan."""
    said: dict[str, Any] = {**row, "blocked_by": []}  # what blocks has its own place
    return {
        **{
            name: row[name]
            for name in (
                "customer_id",
                "customer_name",
                "n_invoices",
                "risk_band",
                "code",
                "on",
                "effect_days",
                "effect_source",
                "needs_named_person",
                "held_out",
                "propensity",
                "policy_version",
                "features_hash",
            )
        },
        "open_amount": units(row["open_cents"]),
        "channel": row["channel"] or None,
        "why": action_text(said, catalogue=catalogue, language=language, currency=currency),
        "expected_value": units(row["expected_value_cents"]),
        "effect_interval": (row["effect_lo"], row["effect_hi"]),
        "invoices": row["invoices"],
        "blocked": _blocked(row, language),
        "alternatives": [
            {
                "code": other["code"],
                "expected_value": units(other["expected_value_cents"]),
                "gap": units(other["gap_cents"]),
            }
            for other in row["alternatives"]
        ],
        "legal_basis": row["legal_basis"] or None,
        "legal_notes": legal_notes(row["legal_notes"], language),
        "chances": {chance["code"]: chance["chance"] for chance in row["chances"]},
    }


def summary(snapshot: Snapshot) -> dict[str, Any]:
    """What the manifest notes of the plan, in units."""
    noted = snapshot.manifest["facts"].get("plan") or {}
    return {
        "policy_version": noted.get("policy_version", ""),
        "contacted": noted.get("contacted", 0),
        "worth": units(noted.get("worth_cents", 0)),
        "bound": units(noted.get("bound_cents", 0)),
        "capacity": noted.get("capacity", {}),
    }


def _blocked(row: Row, language: str) -> dict[str, Any] | None:
    if not row["blocked_action"]:
        return None
    return {
        "code": row["blocked_action"],
        "expected_value": units(row["blocked_value_cents"]),
        "by": row["blocked_by"],
        "text": ", ".join(block_text(block, language) for block in row["blocked_by"]),
    }


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["last night's scores"], route_class=StrictRoute)

    @router.get(
        "/v1/plan",
        summary="The day's plan, one contact for each customer",
        response_model=DayPlan,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_plan(
        wanted: Filtered,
        sort: Annotated[
            CustomerSort, Query(description="the most first; `worth` is the value of the contact")
        ] = "worth",
        limit: Limit = 50,
        cursor: Cursor = "0",
        lang: InLanguage = None,
    ) -> JsonAnswer:
        """Within the capacity of each channel; `GET /v1/worklist` weighs each invoice alone."""
        snapshot = at_hand.scores()
        if not snapshot.has_plan:
            raise Problem("no-scores", NO_PLAN)
        with filtered():
            found = plan_page(snapshot, wanted, start=int(cursor), limit=limit, sort=sort)
        said = at_hand.said_in(lang, snapshot)
        return JsonAnswer(
            {
                **at_hand.provenance(snapshot),
                **summary(snapshot),
                "total": found.total,
                "next_cursor": None if found.next_start is None else str(found.next_start),
                "customers": [contact(row, **said) for row in found.rows],
            }
        )

    return router
