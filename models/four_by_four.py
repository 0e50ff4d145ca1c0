"""Rows of a table added to columns of sums, four rows and four columns at a time.

What one row looks up lies side by side in the table, what one column sums lies side by side in the
sums: four by four the first is turned into the second in registers, which takes half the time of
adding number by number. The instructions are LLVM's own, so any processor runs them.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

SIDE = 4

Floats = npt.NDArray[np.float64]


@intrinsic  # type: ignore[untyped-decorator]
def _add_square(
    typing: Any,
    sums: Any,
    columns: Any,
    first_column: Any,
    table: Any,
    start: Any,
    width: Any,
    patterns: Any,
    first_row: Any,
) -> Any:
    """sums[columns[first_column + u], first_row + i] += table[start + width * pattern_i + u]."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def array(at: int) -> Any:
            return context.make_array(signature.args[at])(context, builder, args[at])

        def several(pointer: Any, offset: Any) -> Any:
            return builder.bitcast(builder.gep(pointer, [offset]), four.as_pointer())

        def picked(a: Any, b: Any, *lanes: int) -> Any:
            return builder.shuffle_vector(a, b, ir.Constant(chosen, lanes))

        whole = ir.IntType(64)
        four = ir.VectorType(ir.DoubleType(), SIDE)
        chosen = ir.VectorType(ir.IntType(32), SIDE)
        steps = [ir.Constant(whole, step) for step in range(SIDE)]
        sums_, columns_, table_, patterns_ = (array(at) for at in (0, 1, 3, 6))
        first_column, start, width, first_row = (args[at] for at in (2, 4, 5, 7))

        rows = []
        for step in steps:
            place = builder.gep(patterns_.data, [builder.add(first_row, step)])
            pattern = builder.zext(builder.load(place), whole)
            offset = builder.add(start, builder.mul(width, pattern))
            rows.append(builder.load(several(table_.data, offset), align=8))
        a, b, c, d = rows
        low = picked(a, b, 0, 4, 2, 6), picked(c, d, 0, 4, 2, 6)
        high = picked(a, b, 1, 5, 3, 7), picked(c, d, 1, 5, 3, 7)
        turned = [picked(*half, 0, 1, 4, 5) for half in (low, high)]
        turned += [picked(*half, 2, 3, 6, 7) for half in (low, high)]

        stride = cgutils.unpack_tuple(builder, sums_.shape, 2)[1]
        for step, values in zip(steps, turned, strict=True):
            column = builder.load(builder.gep(columns_.data, [builder.add(first_column, step)]))
            offset = builder.add(builder.mul(column, stride), first_row)
            place = several(sums_.data, offset)
            builder.store(builder.fadd(builder.load(place, align=8), values), place, align=8)
        return context.get_dummy_value()

    asked = (sums, columns, first_column, table, start, width, patterns, first_row)
    return types.void(*asked), generate


@numba.njit(cache=True, nogil=True, inline="never")  # type: ignore[untyped-decorator]
def add_rows(
    sums: Floats,
    columns: npt.NDArray[np.int64],
    table: Floats,
    start: int,
    patterns: npt.NDArray[np.uint16],
) -> None:
    """Add to sums[columns[u], i] the entry u of the row of `table` that patterns[i] names.

    The rows of the table begin at `start`. Assumes arrays in C order, different `columns`, and as
    many of them and of the patterns as can be divided by four: nothing is checked.
    """
    width = columns.size
    for u in range(0, width, SIDE):
        for i in range(0, patterns.size, SIDE):
            _add_square(sums, columns, u, table, start + u, width, patterns, i)
