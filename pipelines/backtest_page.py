"""The back-test's report as files: a page that needs nothing else, and the same figures as JSON."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models import bootstrap
from models.durable import make, write
from pipelines.job import EPOCH

TEMPLATES = Path(__file__).parent / "templates"
PAGE, FIGURES = "report.html", "report.json"
Told = dict[str, Any]

_SIZES = (0.05, 0.1, 0.2, 0.5, 1.0)  # up to which probability a diagram goes


def publish(told: Told, folder: Path) -> list[Path]:
    """Write the page and the JSON into the folder; the files."""
    make(folder)
    text = json.dumps(told, indent=1, allow_nan=False) + "\n"
    write(folder / PAGE, page(told).encode())
    write(folder / FIGURES, text.encode())
    return [folder / PAGE, folder / FIGURES]


def page(told: Told) -> str:
    """The page: one HTML text that asks nothing of the network."""
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "fixed": _fixed,
        "short": lambda value: f"{value:g}",
        "signed": lambda value, digits: f"{value:+.{digits}f}",
        "grouped": lambda value: f"{value:,}",
        "money": lambda cents: f"{cents / 100:,.0f}",
        "day": lambda number: (EPOCH + timedelta(days=number)).isoformat(),
    }
    return environment.get_template("backtest.html").render(
        told=told,
        draws=bootstrap.DRAWS,
        diagrams=_diagrams(told["reliability"]),
        segments=_segments(told["segments"]),
        cash=_by(told["cash"]["weeks"], "cut"),
    )


def _fixed(value: float | None, digits: int) -> str:
    # what rounds to nothing has no sign
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def _diagrams(reliabilities: Sequence[Told]) -> dict[str, dict[tuple[str, int], Told]]:
    """The panels: by kind, then by test and horizon, each with its lines and how far it goes."""
    out: dict[str, dict[tuple[str, int], Told]] = {}
    for line in reliabilities:
        label = line["who"] if line["by"] == "all" else line["segment"]
        place = (line["test"], line["horizon"])
        panel = out.setdefault(line["by"], {}).setdefault(place, {"lines": [], "top": _SIZES[0]})
        panel["lines"].append({"label": label, "bins": line["bins"]})
        most = max(max(b["predicted"], b["observed"]) for b in line["bins"])
        panel["top"] = max(panel["top"], next(size for size in _SIZES if most <= size))
    return out


def _segments(rows: Sequence[Told]) -> dict[str, dict[tuple[str, int], list[Told]]]:
    out: dict[str, dict[tuple[str, int], list[Told]]] = {}
    for row in rows:
        cells = out.setdefault(row["by"], {})
        cells.setdefault((row["test"], row["horizon"]), []).append(row)
    return out


def _by(rows: Sequence[Told], key: str) -> dict[str, list[Told]]:
    out: dict[str, list[Told]] = {}
    for row in rows:
        out.setdefault(row[key], []).append(row)
    return out
