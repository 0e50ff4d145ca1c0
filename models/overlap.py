"""Overlap: whether the log holds enough of both choices, side by side, to compare them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

LEAST_PROPENSITY = 0.005  # below, an action counts as never taken: one case would speak for 200
LEAST_GUESSED = 0.02  # the same where it is estimated: so small a guess may as well be none
LEAST_EFFECTIVE = 10.0  # customers that a choice must be worth: fewer are anecdotes


@dataclass(frozen=True)
class Overlap:
    """How far two choices were both taken, in like cases."""

    rows: int  # where both had a chance
    share: float  # of the rows considered
    customers: int
    effective_action: float  # customers that the weighted rows are worth (Kish 1965)
    effective_wait: float
    largest_weight: float

    @property
    def effective(self) -> float:
        """Customers that the weaker of the two sides is worth: what an interval may count on."""
        return min(self.effective_action, self.effective_wait)

    @property
    def lacking(self) -> str:
        """Why nothing can be said, empty where it can."""
        if not self.rows:
            return "no case in which both had a chance"
        for name, size in (("did it", self.effective_action), ("waited", self.effective_wait)):
            if size < LEAST_EFFECTIVE:
                return f"{name} with too few customers in like cases: worth {size:.0f}"
        return ""


def measure(
    *, considered: Flags, both: Flags, did: Flags, waited: Flags, weight: Floats, customer: Hashes
) -> Overlap:
    """The overlap among the rows considered; `both` are those where either had its chance."""
    kept = considered & both
    used = kept & (did | waited)
    return Overlap(
        rows=int(kept.sum()),
        share=float(kept.sum() / max(considered.sum(), 1)),
        customers=len(np.unique(customer[kept])),
        effective_action=effective(weight[kept & did], customer[kept & did]),
        effective_wait=effective(weight[kept & waited], customer[kept & waited]),
        largest_weight=float(weight[used].max(initial=0.0)),
    )


def effective(weight: Floats, customer: Hashes) -> float:
    """The number of equally weighted customers that these rows are worth."""
    _, owner = np.unique(customer, return_inverse=True)
    total = np.bincount(owner, weights=weight, minlength=1)
    return float(total.sum() ** 2 / max((total**2).sum(), 1e-300))
