"""The same code without numba: what runs where it is not installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import pipelines
from pipelines import forms

COMPILED = ("as_of", "ordering", "settling", "streaming", "window")


@contextmanager
def without_numba() -> Iterator[None]:
    """Every step in its plain form, for as long as this lasts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in COMPILED:
            patch.delattr(pipelines, f"{name}_compiled", raising=False)
            patch.setitem(sys.modules, f"pipelines.{name}_compiled", None)
        forms.forms_of.cache_clear()
        yield
    forms.forms_of.cache_clear()
