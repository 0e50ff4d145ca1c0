"""The parts of the reference that are made from the product when the site is built.

A page of `docs/` holds a line `<!-- made when the site is built: NAME -->`; what `PARTS[NAME]()`
gives takes its place. None of it is kept in the repository, so none of it can be out of date.
"""

import re
from collections.abc import Callable, Mapping

from docs.made import (
    actions,
    commands,
    dictionary,
    endpoints,
    glossary,
    kpis,
    mappings,
    metrics,
    settings,
    signals,
)

PARTS: Mapping[str, Callable[[], str]] = {
    "actions": actions.markdown,
    "commands": commands.markdown,
    "dictionary": dictionary.markdown,
    "endpoints": endpoints.markdown,
    "glossary": glossary.markdown,
    "kpis": kpis.markdown,
    "mappings": mappings.markdown,
    "messages": endpoints.messages,
    "metrics": metrics.markdown,
    "settings": settings.markdown,
    "signals": signals.markdown,
}
MARK = re.compile(r"^<!-- made when the site is built: (\w+) -->$", re.MULTILINE)


def filled(page: str) -> str:
    """The page with every part that it asks for; KeyError for one that nobody makes."""
    return MARK.sub(lambda found: PARTS[found[1]](), page)
