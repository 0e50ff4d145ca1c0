"""Segments of the portfolio in an answer: by risk, company, size, industry, country, collector."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from pipelines.segments import REST, UNTOLD
from serving.answers import Answer, units
from serving.phrases import word


class SegmentPart(Answer):
    """The open invoices of one value of a segment."""

    code: str = Field(examples=["medium"], description="as the ledger has it; or untold, or rest")
    text: str
    invoices: int
    open_amount: float
    late_amount: float = Field(description="what is open times the probability of 30 days late")
    value_at_risk: float


class Segment(Answer):
    """The portfolio by one trait of its customers or invoices; the parts add up to it."""

    by: str = Field(examples=["segment"], description="the trait, as the ledger's column")
    text: str
    parts: list[SegmentPart] = Field(description="the largest value at risk first")


def segments_of(noted: Iterable[Mapping[str, Any]], language: str) -> list[dict[str, Any]]:
    """The segments that a night noted, in words and units."""
    return [
        {
            "by": of["by"],
            "text": word("segments", of["by"], language),
            "parts": [_part(part, of["by"], language) for part in of["parts"]],
        }
        for of in noted
    ]


def _part(part: Mapping[str, Any], by: str, language: str) -> dict[str, Any]:
    code = part["code"]
    if by == "risk_band":
        text = word("bands", code, language)
    else:
        text = word("segments", code, language) if code in (REST, UNTOLD) else code
    return {
        "code": code,
        "text": text,
        "invoices": part["invoices"],
        "open_amount": units(part["open_cents"]),
        "late_amount": units(part["late_cents"]),
        "value_at_risk": units(part["value_at_risk_cents"]),
    }
