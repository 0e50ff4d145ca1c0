"""Secrets: the service does not start with one that everybody can guess or read.

What is wrong is said by the name of the setting; the secret itself is never repeated.
"""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url

from pipelines import tenants
from pipelines.settings import Settings

KEY_CHARACTERS = 16  # of a key in the settings; those that `puntuale keys` makes are longer
KEY_DIFFERENT = 6  # characters that are not the same: "aaaaaaaaaaaaaaaa" is long and no secret
GUESSED = frozenset(
    {"admin", "changeme", "change-me", "password", "postgres", "puntuale", "secret"}
)
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")  # in an address
_NAMES = ("PUNTUALE_API_KEYS", "PUNTUALE_DATABASE_URL", "PUNTUALE_TRACKING_URI")


class SecretRefused(ValueError):  # noqa: N818 - the name says what happened
    """A secret that is missing, a default, or readable by everybody."""


def require_secrets(settings: Settings, *, env_file: Path = Path(".env")) -> None:
    """Raises SecretRefused with every fault of the settings' secrets."""
    faults = [*_of_keys(settings), *_of_database(settings), *_of_file(env_file)]
    for name, own in tenants.every(settings).items():
        faults += [f"tenant {name}: {fault}" for fault in _of_database(own)]
    if faults := [*faults, *_of_tenants(settings.tenants_file)]:
        raise SecretRefused("; ".join(faults))


def _of_keys(settings: Settings) -> Iterator[str]:
    for number, secret in enumerate(settings.api_keys, 1):
        key = secret.get_secret_value()
        if len(key) < KEY_CHARACTERS or len(set(key)) < KEY_DIFFERENT:
            yield (
                f"PUNTUALE_API_KEYS: key {number} of {len(settings.api_keys)} must be a secret of "
                f"at least {KEY_CHARACTERS} characters; `puntuale keys make` makes one"
            )


def _of_database(settings: Settings) -> Iterator[str]:
    address = make_url(settings.records_url)
    if address.get_backend_name() == "sqlite" or address.host in (None, "localhost", "127.0.0.1"):
        return
    if address.password is not None and str(address.password).lower() in ("", *GUESSED):
        yield "PUNTUALE_DATABASE_URL: its password must not be a default"


def _of_file(path: Path) -> Iterator[str]:
    try:
        text, mode = path.read_text(encoding="utf-8"), path.stat().st_mode
    except OSError:
        return
    names = [line.partition("=")[0].removeprefix("export ").strip() for line in text.splitlines()]
    if mode & stat.S_IROTH and (held := [name for name in _NAMES if name in names]):
        yield f"{path}: holds {', '.join(held)} and everybody may read it: chmod 600 {path}"


def _of_tenants(path: Path) -> Iterator[str]:
    try:
        text, mode = path.read_text(encoding="utf-8"), path.stat().st_mode
    except OSError:
        return
    if mode & stat.S_IROTH and _PASSWORD.search(text):
        yield f"{path}: holds a password and everybody may read it: chmod 600 {path}"
