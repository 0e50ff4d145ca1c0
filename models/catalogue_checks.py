"""The checks of a catalogue's tables on the way to its actions: all of them, always."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import get_args

from models import causes
from models.action import (
    Action,
    Amount,
    Block,
    CatalogueError,
    Channel,
    Claimed,
    Economics,
    Effect,
    Effects,
    Limit,
    Unit,
)
from models.cases import CLAIMABLE, HISTORY_LEVELS
from models.claims import Claim

ACTIONS_MAX = 60  # a plan keeps a bit for each beside the others of its invoice
NEEDS_MAY_NAME = (*CLAIMABLE, "days_past_due", *(f"cause_{code}" for code in causes.CODES))


class _Faults:
    """The faults found so far, and the checks that add to them."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def add(self, where: str, expected: str, got: object) -> None:
        self.said.append(f"{where}: expected {expected}, got: {got!r}")

    def table(self, where: str, value: object) -> Mapping[str, object]:
        if isinstance(value, Mapping):
            return value
        self.add(where, "a table", value)
        return {}

    def number(self, where: str, value: object, low: float, high: float) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        self.add(where, f"a number from {low:g} to {high:g}", value)
        return low

    def whole(self, where: str, value: object, low: int, high: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.add(where, f"a whole number from {low} to {high}", value)
        return low

    def one_of(self, where: str, value: object, known: Sequence[str]) -> object:
        if value not in known:
            self.add(where, f"one of {', '.join(filter(None, known))}", value)
        return value

    def flag(self, where: str, value: object) -> bool:
        if not isinstance(value, bool):
            self.add(where, "true or false", value)
        return value is True

    def text(self, where: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            self.add(where, "a text", value)
        return str(value)

    def texts(self, where: str, value: object) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.add(where, "a list of texts", value)
        return ()

    def blocks(self, where: str, value: object) -> tuple[str, ...]:
        for text in (texts := self.texts(where, value)):
            self.one_of(where, text, get_args(Block))
        return texts

    def claims(self, where: str, value: object) -> tuple[Claim, ...]:
        claims = []
        for text in self.texts(where, value):
            try:
                claims.append(claim := Claim.parse(text))
            except ValueError as fault:
                self.said.append(f"{where}: {fault}")
                continue
            for name in sorted(claim.names):
                self.one_of(where, name, NEEDS_MAY_NAME)
        return tuple(claims)

    def effects(self, where: str, value: object, low: float, high: float) -> Effects:
        effects = {}
        for cause, numbers in self.table(where, value).items():
            place = f"{where}.{cause}"
            self.one_of(place, cause, causes.CODES)
            if not isinstance(numbers, list) or len(numbers) != 3:
                self.add(place, "[expected, lowest, highest]", numbers)
                continue
            effect = Effect(*(self.number(place, number, low, high) for number in numbers))
            if not effect.lowest <= effect.expected <= effect.highest:
                self.add(place, "lowest <= expected <= highest", numbers)
            effects[cause] = effect
        if "unknown" not in effects:
            self.add(where, "an effect for the cause unknown", value)
        return effects

    def lgd(self, where: str, value: object) -> tuple[tuple[int, float], ...]:
        buckets = []
        for start, share in self.table(where, value).items():
            if not start.isdecimal():
                self.add(where, "days past due as names", start)
                continue
            buckets.append((int(start), self.number(f"{where}.{start}", share, 0, 1)))
        if 0 not in dict(buckets):
            self.add(where, "a share from day 0", value)
        return tuple(sorted(buckets))

    def limit(self, where: str, value: object) -> Limit:
        if isinstance(value, list) and len(value) == 2:
            amount = self.number(f"{where}[0]", value[0], 0, inf)
            return Limit(amount, self.one_of(f"{where}[1]", value[1], get_args(Unit)))  # type: ignore[arg-type]
        self.add(where, 'an amount and its unit such as [360, "minutes"]', value)
        return Limit(0.0, "pieces")

    def history(self, where: str, value: object) -> Mapping[str, float]:
        factors = {}
        for level, factor in self.table(where, value).items():
            self.one_of(f"{where}.{level}", level, HISTORY_LEVELS)
            factors[level] = self.number(f"{where}.{level}", factor, 0, 10)
        return factors


Check = Callable[[_Faults, str, object], object]


def _money(faults: _Faults, where: str, value: object) -> float:
    return faults.number(where, value, 0, 1e9)


def _share(faults: _Faults, where: str, value: object) -> float:
    return faults.number(where, value, 0, 1)


def _day(faults: _Faults, where: str, value: object) -> int:
    return faults.whole(where, value, -3650, 3650)


def _length(faults: _Faults, where: str, value: object) -> int:
    return faults.whole(where, value, 1, 3650)


ECONOMICS: Mapping[str, Check] = {
    "rate_per_year": _share,
    "quiet_days": lambda faults, where, value: faults.whole(where, value, 0, 365),
    "look_again_days": _length,
    "compensation_collected": _share,
    "small_amount_eur": _money,
    "sure_p_late_0": _share,
    "nothing_left_eur": _money,
    "attention_eur": _money,
    "heard_less": _share,
    "forgotten_days": lambda faults, where, value: faults.number(where, value, 1, 3650),
    "lgd": _Faults.lgd,
}
CAPACITY: Mapping[str, Check] = dict.fromkeys(get_args(Channel), _Faults.limit)
ACTION: Mapping[str, Check] = {
    "it": _Faults.text,
    "en": _Faults.text,
    "channel": lambda faults, where, value: faults.one_of(where, value, get_args(Channel)),
    "cost_eur": _money,
    "days": lambda faults, where, value: faults.effects(where, value, -365, 365),
    "unpaid": lambda faults, where, value: faults.effects(where, value, -1, 1),
    "enabled": _Faults.flag,
    "from_day": _day,
    "to_day": _day,
    "every_days": _length,
    "minutes": _money,
    "relationship_eur": _money,
    "concession_share": _share,
    "success_fee": _share,
    "benefit_share": _share,
    "benefit_up_to_eur": _money,
    "claims": lambda faults, where, value: faults.one_of(where, value, get_args(Claimed)),
    "contact": _Faults.flag,
    "dunning": _Faults.flag,
    "adverse": _Faults.flag,
    "after": _Faults.text,
    "step": lambda faults, where, value: faults.whole(where, value, 0, 20),
    "quiet_days": lambda faults, where, value: faults.whole(where, value, 0, 365),
    "by_history": _Faults.history,
    "amount": lambda faults, where, value: faults.one_of(where, value, get_args(Amount)),
    "needs": _Faults.claims,
    "needs_any": _Faults.claims,
    "blocked_by": _Faults.blocks,
    "legal_basis": _Faults.text,
}
REQUIRED = ("it", "en", "channel", "cost_eur", "days", "unpaid")


def read(
    told: Mapping[str, object],
) -> tuple[tuple[Action, ...], Economics, Mapping[str, Limit]]:
    """What the tables tell: actions, economics, capacity; CatalogueError lists every fault."""
    faults = _Faults()
    for key in sorted(told.keys() - {"economics", "capacity", "actions"}):
        faults.add(key, "only the tables economics, capacity and actions", told[key])
    economics = _checked(faults, "economics", told.get("economics"), ECONOMICS, tuple(ECONOMICS))
    capacity = _checked(faults, "capacity", told.get("capacity", {}), CAPACITY, ())
    actions = {
        code: _checked(faults, f"actions.{code}", table, ACTION, REQUIRED)
        for code, table in faults.table("actions", told.get("actions")).items()
    }
    if len(actions) > ACTIONS_MAX:
        faults.add("actions", f"at most {ACTIONS_MAX} actions", len(actions))
    for code, action in actions.items():
        _check_together(faults, code, action, actions)
    if faults.said:
        raise CatalogueError("\n".join(faults.said))
    return (
        tuple(Action(code=code, **values) for code, values in actions.items()),  # type: ignore[arg-type]
        Economics(**economics),  # type: ignore[arg-type]
        capacity,  # type: ignore[return-value]
    )


def _checked(
    faults: _Faults,
    where: str,
    value: object,
    checks: Mapping[str, Check],
    required: Sequence[str],
) -> dict[str, object]:
    """The table's values, each through the check of its name."""
    table = faults.table(where, value)
    for name in required:
        if name not in table:
            faults.said.append(f"{where}.{name}: is missing")
    for name in table.keys() - checks.keys():
        faults.said.append(f"{where}.{name}: is not a known key")
    return {
        name: checks[name](faults, f"{where}.{name}", item)
        for name, item in table.items()
        if name in checks
    }


def _check_together(
    faults: _Faults,
    code: str,
    action: Mapping[str, object],
    actions: Mapping[str, Mapping[str, object]],
) -> None:
    """What the keys of one action must be together, and among the others."""
    where = f"actions.{code}"
    if code == "wait":
        faults.add(where, "another name (to wait is always possible)", code)
    first, last = action.get("from_day"), action.get("to_day")
    if isinstance(first, int) and isinstance(last, int) and first > last:
        faults.add(where, "from_day <= to_day", f"{first}, {last}")
    before, seen = action.get("after"), {code}
    while before is not None:
        if before not in actions or before in seen:
            faults.add(f"{where}.after", "another action, without going round in a circle", before)
            return
        seen.add(str(before))
        before = actions[str(before)].get("after")
