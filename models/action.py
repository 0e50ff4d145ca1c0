"""One action of the catalogue, what it is expected to change, and the economics that weigh it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from models.claims import Claim

Channel = Literal["email", "phone", "letter", "pec", "internal", "court"]
Amount = Literal["undisputed", "disputed", "open"]
Claimed = Literal["", "interest", "interest_only"]
Unit = Literal["minutes", "pieces"]
Block = Literal["unallocated_cash", "sure_payer_of_a_small_amount"]


class CatalogueError(ValueError):
    """The catalogue can't be followed; the message lists every fault."""


@dataclass(frozen=True)
class Effect:
    """What an action is expected to change, and between which values it may lie."""

    expected: float
    lowest: float
    highest: float


Effects = Mapping[str, Effect]  # by cause; `unknown` stands for the causes without their own


@dataclass(frozen=True)
class Action:
    """One action of the catalogue; its keys are told in actions.toml."""

    code: str
    it: str
    en: str
    channel: Channel
    cost_eur: float
    days: Effects
    unpaid: Effects
    enabled: bool = True
    from_day: int | None = None
    to_day: int | None = None
    every_days: int | None = None
    minutes: float = 0.0
    relationship_eur: float = 0.0
    concession_share: float = 0.0
    success_fee: float = 0.0
    benefit_share: float = 0.0
    benefit_up_to_eur: float = 0.0
    claims: Claimed = ""
    contact: bool = False
    dunning: bool = True
    adverse: bool = False
    after: str | None = None
    step: int = 0
    quiet_days: int | None = None
    by_history: Mapping[str, float] = field(default_factory=dict)
    amount: Amount = "undisputed"
    needs: tuple[Claim, ...] = ()
    needs_any: tuple[Claim, ...] = ()
    blocked_by: tuple[Block, ...] = ()
    legal_basis: str = ""


class Limit(NamedTuple):
    """How much of a channel a day holds."""

    amount: float
    of: Unit

    def taken_by(self, action: Action) -> float:
        return action.minutes if self.of == "minutes" else 1.0


@dataclass(frozen=True)
class Economics:
    """What money, patience and loss are worth to the company."""

    rate_per_year: float
    quiet_days: int
    look_again_days: int
    compensation_collected: float
    small_amount_eur: float
    sure_p_late_0: float
    nothing_left_eur: float
    attention_eur: float
    heard_less: float
    forgotten_days: float
    lgd: tuple[tuple[int, float], ...]  # (from this many days past due, share lost)

    def heard(self, recent_contacts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The share of an effect that is left after so many recent contacts."""
        heard: npt.NDArray[np.float64] = (1 - self.heard_less) ** recent_contacts
        return heard

    def loss_given_default(self, days_past_due: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        starts = [start for start, _ in self.lgd]
        bucket = np.searchsorted(starts, days_past_due, side="right") - 1
        return np.array([share for _, share in self.lgd])[np.maximum(bucket, 0)]
