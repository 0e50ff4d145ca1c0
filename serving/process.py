"""The process that serves: `uvicorn serving.process:service --factory`.

What training needs and serving must not have is kept out before anything of ours is imported:
pyarrow imports pandas by itself wherever it is installed, and other libraries may slip in unseen.
"""

import gc
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

KEPT_OUT = frozenset(
    {"lightgbm", "matplotlib", "mlflow", "pandas", "pandera", "prefect", "shap", "sklearn"}
)


class KeptOut(MetaPathFinder):
    """Answers every import of a library that is kept out as if it were not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in KEPT_OUT:
            raise ModuleNotFoundError(f"{fullname} is kept out of the serving process")
        return None


def keep_out() -> None:
    """From now on these libraries cannot be imported; what is loaded already stays."""
    sys.meta_path.insert(0, KeptOut())


def service() -> "FastAPI":
    """The application on the settings of the environment."""
    keep_out()
    from pipelines.settings import Settings
    from serving.app import create_app

    application = create_app(Settings())
    gc.collect()
    gc.freeze()  # what has been made so far stays: no request waits for a search through it
    return application
