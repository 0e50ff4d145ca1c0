"""The process that serves: `uvicorn serving.process:service --factory`.

What training needs and serving must not have is kept out before anything of ours is imported:
pyarrow imports pandas by itself wherever it is installed, and other libraries may slip in unseen.
"""

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING

from serving.logs import to_standard_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from pipelines.settings import Settings

OBJECTS_BETWEEN_SEARCHES = 50_000  # the usual 700 is many searches in each scoring request
GRACE_SECONDS = 20  # for what is under way when the process is told to end
FIRST_SOCKET = 3  # where systemd puts a socket that it hands over

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


def service() -> "ASGIApp":
    """The application on the settings of the environment."""
    keep_out()
    from pipelines.settings import Settings
    from serving.tenants import create_service

    application = create_service(Settings())
    gc.collect()
    gc.freeze()  # what has been made so far stays: no request waits for a search through it
    gc.set_threshold(OBJECTS_BETWEEN_SEARCHES)
    return application


def serve(settings: "Settings") -> None:
    """Answers until it is told to end (SIGTERM), with as many processes as the settings say.

    Where systemd hands over a socket that listens already, that one is used: it takes connections
    while the service restarts. Raises SecretRefused rather than start with a secret that is none.
    """
    import uvicorn

    from serving.protocol import HEADER_BYTES
    from serving.secret_check import require_secrets

    require_secrets(settings)

    handed_over = os.environ.get("LISTEN_PID") == str(os.getpid())
    with ExitStack() as stack:
        if settings.workers > 1:
            stack.enter_context(_counting_together())
        uvicorn.run(
            "serving.process:service",
            factory=True,
            host=settings.host,
            port=settings.port,
            fd=FIRST_SOCKET if handed_over else None,
            workers=settings.workers,
            http="serving.protocol:DeadlineProtocol",
            h11_max_incomplete_event_size=HEADER_BYTES,
            ws="none",
            log_config=to_standard_error(),
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )


@contextmanager
def _counting_together() -> Iterator[None]:
    """A folder in which several processes add up what they count; it goes when they end."""
    name = "PROMETHEUS_MULTIPROC_DIR"
    if os.environ.get(name):
        yield
        return
    with TemporaryDirectory(prefix="puntuale-metrics-") as folder:
        os.environ[name] = folder
        try:
            yield
        finally:
            del os.environ[name]
