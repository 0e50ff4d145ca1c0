"""The words of the page in both languages, as the page has them."""

from docs.made.markdown import code, table
from models import reasons
from models.policy import default_policy
from serving import phrases

OF_THE_PAGE = {  # tables of serving/phrases.toml whose words stand for a code
    "probabilities": "Probabilities",
    "bands": "Bands of risk",
    "history": "How much is known of a customer",
    "signals": "Warnings",
    "severities": "Severities",
    "ageing": "Ageing",
    "kpis": "KPIs",
    "alert_states": "Alerts",
    "promise_states": "Promises",
    "capacity": "Channels",
}


def markdown() -> str:
    """A table for each group of words: the code, Italian, English."""
    groups = {
        title: _pairs(phrases.words("it")[name], phrases.words("en")[name])
        for name, title in OF_THE_PAGE.items()
    }
    groups["Groups of reasons"] = [
        (name, wording.it, wording.en) for name, wording in reasons.CAUSES.items()
    ]
    groups["Actions"] = [
        (action.code, action.it, action.en) for action in default_policy().catalogue.actions
    ]
    return "\n".join(
        f"### {title}\n\n"
        + table(("code", "Italian", "English"), [(code(name), it, en) for name, it, en in rows])
        for title, rows in groups.items()
    )


def _pairs(italian: dict[str, str], english: dict[str, str]) -> list[tuple[str, str, str]]:
    return [(name, italian[name], english[name]) for name in english]
