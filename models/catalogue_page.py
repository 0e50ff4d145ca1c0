"""The effective catalogue as a person or a program reads it: each action, and what it does."""

from dataclasses import asdict
from math import isfinite
from typing import Any

from models import causes, wording
from models.action import Action
from models.cases import HISTORY_LEVELS
from models.claims import Claim, Side
from models.effect_table import ANY, SOURCES, Cells, EffectTable
from models.policy import Policy


def described(policy: Policy, *, language: str) -> dict[str, Any]:
    """Everything that decides: actions with their effects, economics, what a day holds, rates."""
    economics = policy.catalogue.economics
    return {
        "policy_version": policy.version,
        "actions": [
            _action(action, policy.effects, language) for action in policy.catalogue.actions
        ],
        "economics": {**asdict(economics), "lgd": {str(day): s for day, s in economics.lgd}},
        "capacity": {
            channel: {"amount": limit.amount if isfinite(limit.amount) else None, "of": limit.of}
            for channel, limit in policy.catalogue.capacity.items()
        },
        "trial": asdict(policy.trial),
    }


def _action(action: Action, effects: EffectTable, language: str) -> dict[str, Any]:
    english = wording.checked(language) == "en"
    return {
        "code": action.code,
        "name": action.en if english else action.it,
        "enabled": action.enabled,
        "channel": action.channel,
        "from_day": action.from_day,
        "to_day": action.to_day,
        "every_days": action.every_days,
        "quiet_days": action.quiet_days,
        "step": action.step,
        "after": action.after,
        "cost_eur": action.cost_eur,
        "minutes": action.minutes,
        "relationship_eur": action.relationship_eur,
        "concession_share": action.concession_share,
        "success_fee": action.success_fee,
        "benefit_share": action.benefit_share,
        "benefit_up_to_eur": action.benefit_up_to_eur,
        "amount": action.amount,
        "claims": action.claims,
        "contact": action.contact,
        "dunning": action.dunning,
        "adverse": action.adverse,
        "needs": [_said(claim) for claim in action.needs],
        "needs_any": [_said(claim) for claim in action.needs_any],
        "blocked_by": list(action.blocked_by),
        "legal_basis": action.legal_basis,
        "effects": _effects(action, effects),
        "by_history": {level: action.by_history.get(level, 1.0) for level in HISTORY_LEVELS},
    }


def _effects(action: Action, effects: EffectTable) -> list[dict[str, Any]]:
    """The effects by cause; those of a segment only where a log taught them."""
    cells = effects.cells(action)
    told = []
    for segment, name in enumerate((*effects.segments, ANY)):
        for cause, code in enumerate(causes.CODES):
            learned = cells.source[cause, segment] != SOURCES.index("prior")
            if name == ANY or learned:
                told.append(_effect(cells, cause, segment, code=code, name=name))
    return told


def _effect(cells: Cells, cause: int, segment: int, *, code: str, name: str) -> dict[str, Any]:
    return {
        "cause": code,
        "segment": name or None,
        "days": cells.days[:, cause, segment].tolist(),
        "unpaid": cells.unpaid[:, cause, segment].tolist(),
        "source": SOURCES[cells.source[cause, segment]],
    }


def window(action: dict[str, Any]) -> str:
    """The days on which an action may be done: +10 to +24, from +45, until -1, always."""
    first, last = action["from_day"], action["to_day"]
    if first is not None and last is not None:
        return f"{first:+d} to {last:+d}"
    if first is not None:
        return f"from {first:+d}"
    return "any day" if last is None else f"until {last:+d}"


def _said(claim: Claim) -> str:
    return f"{_side(claim.left)} {claim.comparison} {_side(claim.right)}"


def _side(side: Side) -> str:
    if side.name is None:
        return f"{side.start:g}"
    if side.sign > 0:
        return side.name
    return f"{side.start:g} - {side.name}" if side.start else f"-{side.name}"
