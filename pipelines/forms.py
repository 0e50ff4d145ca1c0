"""Forms: the long steps over arrays, compiled where numba is installed, else in plain NumPy.

Both give the same bits; `NAME_compiled` and `NAME_numpy` have the same functions.
"""

from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def forms_of(name: str) -> ModuleType:
    """The compiled form of these steps, or the plain one."""
    try:
        return import_module(f"pipelines.{name}_compiled")
    except ImportError:
        return import_module(f"pipelines.{name}_numpy")
