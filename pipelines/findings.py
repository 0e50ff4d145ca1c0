"""What monitoring has to say of the model: findings, each with its figures and an advice."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, since when, and what to do."""

    code: str
    about: str  # the horizon or the feature, empty where it is the model
    severity: str  # "warning" or "alert"
    since: date
    value: float
    low: float
    high: float
    expected: float
    advice: str
    asks_for_training: bool = True


@dataclass(frozen=True)
class Matured:
    """What earlier nights said of a horizon that has come since, against what came."""

    horizon: str
    rows: int
    said: float
    came: float
    log_loss: float
    base_log_loss: float  # of whoever had known the share that came, and said it of all
    said_by: str  # the model's version, or "any model" where its own words have not matured


@dataclass(frozen=True)
class Health:
    """How the model does as of a night."""

    as_of: date
    model_version: str
    findings: tuple[Finding, ...]
    matured: tuple[Matured, ...]
    lost_inputs: tuple[str, ...]
    retrain: bool

    def facts(self) -> dict[str, Any]:
        """The same for a manifest: dates as text."""
        told = asdict(self)
        told["as_of"] = self.as_of.isoformat()
        told["lines"] = list(self.lines())
        told["findings"] = [{**f, "since": f["since"].isoformat()} for f in told["findings"]]
        return told

    def lines(self) -> tuple[str, ...]:
        """One line for each finding, and whether to train again."""
        told = [
            f"{f.severity}: {f.code.replace('_', ' ')}{f' ({f.about})' if f.about else ''} "
            f"since {f.since}: {f.value:.3g}, expected {f.expected:.3g}; {f.advice}"
            for f in self.findings
        ]
        if self.retrain:
            told.append("training again is advised: puntuale monitor --retrain")
        return tuple(told)
