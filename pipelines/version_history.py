"""Version history: the registered models as a file, for doors that do not open the registry."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models import durable

FILE = "versions.json"  # beside the bundles
REGISTERED = "puntuale"  # the name in the registry, for who does not open it


def write(folder: Path, versions: Sequence[Mapping[str, object]]) -> None:
    """Keep the registry's versions, the newest first."""
    text = json.dumps(list(versions), indent=2, sort_keys=True) + "\n"
    durable.write(folder / FILE, text.encode())


def read(folder: Path) -> list[dict[str, Any]]:
    """The versions as they were last noted; none before the first training."""
    try:
        found: list[dict[str, Any]] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return found
