"""Litter: what many rows leave behind, in Python and in the libraries, and when it is taken away.

Python's search for objects that hold each other is put off while many plain ones are made: rows
as dictionaries hold nothing that holds them: they go when nobody looks at them any more. To
look through all of them again and again, as Python does, takes as long as to make them.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pyarrow as pa


@contextmanager
def left_lying() -> Iterator[None]:
    """No search while the block runs; memory that is held in circles comes back after it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def give_back() -> None:
    """Give freed memory back to the system: libraries keep it for arrays that never come."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
