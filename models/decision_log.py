"""Logged decisions, as arrays: what was done in each case, how probably, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

WAIT = "wait"  # what every action is compared with: place 0 of `codes`
UNKNOWN = "unknown"  # the stratum of a case of which no cause is told
_SLACK = 1e-6  # probabilities that sum to one within this do


@dataclass(frozen=True)
class DecisionLog:
    """Decisions with what was known when they were taken; build it with `DecisionLog.of`."""

    codes: tuple[str, ...]  # the actions, `wait` first
    action: Places  # the place in `codes` of what was done
    propensities: Floats  # (n, codes): NaN where not recorded, 0 where it could not be done
    randomised: Flags  # what was done was tossed for, with chances that are known
    customer: Hashes  # rows of one customer go together
    strata: tuple[str, ...]
    stratum: Places  # the place in `strata`
    features: Floats  # (n, feature_names), as of the decision
    feature_names: tuple[str, ...]
    outcomes: Mapping[str, Floats] = field(default_factory=dict)  # NaN where not matured

    @classmethod
    def of(
        cls,
        *,
        action: Sequence[str],
        customer: npt.ArrayLike,
        features: npt.ArrayLike,
        outcomes: Mapping[str, npt.ArrayLike],
        codes: Sequence[str] | None = None,
        propensities: npt.ArrayLike | None = None,
        randomised: npt.ArrayLike | None = None,
        stratum: Sequence[str] | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> "DecisionLog":
        """The log of these columns; `codes` are the actions seen where they are not told.

        `propensities` is the probability of what was done (n), or of each of `codes` (n, codes);
        NaN is unknown, 0 says that it could not be done. What must be one minus the rest is filled
        in. `customer` is a stable number for each customer (`stable_hash.of_customers`).
        """
        seen = sorted(set(action) - {WAIT})
        codes = tuple(codes) if codes else (WAIT, *seen)
        if codes[0] != WAIT or len(set(codes)) < len(codes) or set(seen) - set(codes):
            raise ValueError(
                f"codes must begin with {WAIT}, differ, and hold every action done {seen}, "
                f"got: {codes}"
            )
        place = {code: at for at, code in enumerate(codes)}
        done = np.array([place[code] for code in action], np.int64)
        table = np.asarray(features, np.float64)
        chances = _chances(propensities, done, len(codes))
        recorded = ~np.isnan(chances[np.arange(len(done)), done])
        groups = list(stratum) if stratum is not None else [UNKNOWN] * len(done)
        strata, of_stratum = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
        return cls(
            codes=codes,
            action=done,
            propensities=chances,
            randomised=recorded if randomised is None else np.asarray(randomised, np.bool_),
            customer=np.asarray(customer, np.uint64),
            strata=tuple(strata.tolist()),
            stratum=of_stratum.astype(np.int64),
            features=table,
            feature_names=tuple(feature_names or (f"x{i}" for i in range(table.shape[1]))),
            outcomes={name: np.asarray(y, np.float64) for name, y in outcomes.items()},
        )._checked()

    def __len__(self) -> int:
        return len(self.action)

    def take(self, rows: Flags) -> "DecisionLog":
        """Some of the decisions."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        of_rows = {name: part[rows] for name, part in parts.items() if isinstance(part, np.ndarray)}
        outcomes = {name: y[rows] for name, y in self.outcomes.items()}
        return DecisionLog(**{**parts, **of_rows, "outcomes": outcomes})

    def _checked(self) -> "DecisionLog":
        n, wrong = len(self), []
        told = {f.name: getattr(self, f.name) for f in fields(self)} | dict(self.outcomes)
        for name, part in told.items():
            if isinstance(part, np.ndarray) and len(part) != n:
                wrong.append(f"{name}: expected {n} rows, got: {len(part)}")
        if len(self.feature_names) != self.features.shape[1]:
            wrong.append(
                f"feature_names: expected {self.features.shape[1]}, got: {len(self.feature_names)}"
            )
        if (self.propensities[np.arange(n), self.action] <= 0).any():
            wrong.append("propensities: expected what was done to be possible, got: 0")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def _chances(told: npt.ArrayLike | None, done: Places, codes: int) -> Floats:
    """Each action's probability (n, codes), completed where only one of a row is not told."""
    chances = np.full((len(done), codes), np.nan)
    if told is not None:
        given = np.asarray(told, np.float64)
        if given.ndim == 1:
            chances[np.arange(len(done)), done] = given
        elif given.shape == chances.shape:
            chances = given.copy()
        else:
            raise ValueError(
                f"propensities must have {len(done)} rows and one column or {codes}, "
                f"got: {given.shape}"
            )
    total = np.nansum(chances, axis=1)
    if ((chances < 0) | (chances > 1)).any() or (total > 1 + _SLACK).any():
        raise ValueError("propensities must be from 0 to 1 and sum to at most 1 in each row")
    gap = np.isnan(chances)
    sure = np.abs(total - 1) < _SLACK  # nothing is left for the others
    chances[gap & sure[:, None]] = 0.0
    alone = (gap.sum(axis=1) == 1) & ~sure
    chances[gap & alone[:, None]] = (1 - total)[alone]
    if (~np.isnan(chances).any(axis=1) & (np.abs(chances.sum(axis=1) - 1) > _SLACK)).any():
        raise ValueError("propensities that are all told must sum to 1")
    return chances
