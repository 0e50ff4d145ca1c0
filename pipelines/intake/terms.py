"""Payment terms as people write them ("60 gg f.m.", NET30), and the day on which they fall due.

Days are added first, then the date moves to the end of its month, then the fixed extra days follow:
31 December and 60 days end of month fall due on 31 March. A bare code (Z063, 29) states no days.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

_NET = re.compile(r"\bnet(?:to)?\s*(\d{1,3})\b")
_COUNTED = re.compile(r"\b(\d{1,3})\s*(?:gg\b|giorni\b|days?\b|d\b|tage\b|jours\b)")
_END_OF_MONTH = re.compile(r"f\.?\s?m\b|fine mese|\beom\b|end of month")
_EXTRA = re.compile(r"\+\s*(\d{1,2})\b")
_AT_ONCE = re.compile(r"vista|rimessa diretta|immediat|contanti|\bcash\b|on receipt|anticipat")


@dataclass(frozen=True)
class Terms:
    """Days from the issue, whether the month is then filled up, and days after that."""

    days: int
    end_of_month: bool = False
    extra_days: int = 0


def read_terms(text: str | None, *, days: int | None = None) -> Terms | None:
    """The terms that the text states (`days` where they come apart); None for none, or for two."""
    folded = (text or "").casefold()
    extra = _EXTRA.search(folded)
    end_of_month = bool(_END_OF_MONTH.search(folded))
    if days is None:
        body = _EXTRA.sub(" ", folded)
        stated = {int(n) for n in _NET.findall(body) or _COUNTED.findall(body)}
        if re.search(r"\d\s*[/-]\s*\d", body) or len(stated) > 1:
            return None  # 30/60: two instalments, each with a due date of its own
        if not stated and not (end_of_month or _AT_ONCE.search(body)):
            return None
        days = stated.pop() if stated else 0
    return Terms(days, end_of_month, int(extra[1]) if extra else 0)


def due_day(issued: date, terms: Terms) -> date:
    """The day on which an invoice issued on this day falls due."""
    due = issued + timedelta(days=terms.days)
    if terms.end_of_month:
        due = due.replace(day=calendar.monthrange(due.year, due.month)[1])
    return due + timedelta(days=terms.extra_days)
