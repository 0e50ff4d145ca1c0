"""Litter: Python's search for objects that hold each other, put off while many plain ones are made.

Rows as dictionaries hold nothing that holds them: they go when nobody looks at them any more. To
look through all of them again and again, as Python does, takes as long as to make them.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
