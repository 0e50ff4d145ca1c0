"""Claims about columns, written as text: `n_settled >= 5`, `days_since_payment > gap_median_365`.

A side is a number, a column, a column with a minus, or a number less a column (`1 -
paid_ratio_365`). What is missing makes no claim true.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Columns = Mapping[str, Floats]

_SIDE = re.compile(r"(?:(\d+(?:\.\d+)?)\s*-\s*|(-)\s*)?([a-z]\w*)")
_CLAIM = re.compile(r"([^<>=]+)(>=|<=|==|>|<)([^<>=]+)")
_COMPARISONS: dict[str, Callable[[Floats, Floats], Flags]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}


@dataclass(frozen=True)
class Side:
    """`start + sign * column`, or the number `start` where no column is named."""

    start: float
    sign: float
    name: str | None

    @classmethod
    def parse(cls, text: str) -> "Side":
        text = text.strip()
        try:
            return cls(float(text), 0.0, None)
        except ValueError:
            pass
        found = _SIDE.fullmatch(text)
        if found is None:
            raise ValueError(
                f"expected a number, column, -column or number - column, got: {text!r}"
            )
        number, minus, name = found.groups()
        return cls(float(number or 0), -1.0 if number or minus else 1.0, name)

    def of(self, columns: Columns) -> Floats:
        if self.name is None:
            return self._number
        column = np.asarray(columns[self.name], np.float64)
        return self.start + (column if self.sign == 1.0 else self.sign * column)

    def compared(self, columns: Columns) -> Floats:
        """`of`, where minus zero is as good as zero."""
        if self.name is not None and self.sign == 1.0 and not self.start:
            return np.asarray(columns[self.name], np.float64)
        return self.of(columns)

    @cached_property
    def _number(self) -> Floats:
        return np.array(self.start)


@dataclass(frozen=True)
class Claim:
    """One comparison of two sides."""

    left: Side
    comparison: str
    right: Side

    @classmethod
    def parse(cls, text: str) -> "Claim":
        found = _CLAIM.fullmatch(text)
        if found is None:
            raise ValueError(f"expected a comparison such as 'n_settled >= 5', got: {text!r}")
        left, comparison, right = found.groups()
        return cls(Side.parse(left), comparison, Side.parse(right))

    @property
    def names(self) -> set[str]:
        return {side.name for side in (self.left, self.right) if side.name}

    def holds(self, columns: Columns) -> Flags:
        return _COMPARISONS[self.comparison](
            self.left.compared(columns), self.right.compared(columns)
        )


def require(columns: Columns, names: Iterable[str], *, for_what: str) -> None:
    """Raise ValueError naming every column that is asked for and absent."""
    if absent := sorted(set(names) - columns.keys()):
        raise ValueError(f"{for_what} need these columns, which are absent: {', '.join(absent)}")
