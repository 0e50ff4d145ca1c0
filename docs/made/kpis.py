"""Every KPI under the name by which the API tells it."""

from docs.made.markdown import code, sentence, table
from serving import phrases
from serving.glossary import MEANINGS
from serving.portfolio import Ageing, Kpis, RollRates

FIGURES = (("Figures", Kpis), ("Ageing", Ageing), ("Roll rates", RollRates))


def markdown() -> str:
    """The figures of `kpis`, then the buckets of its two tables."""
    english, italian = (phrases.words(language) for language in ("en", "it"))
    sections = []
    for title, message in FIGURES:
        rows = [
            (
                code(name),
                english["kpis"].get(name) or english["ageing"].get(name),
                italian["kpis"].get(name) or italian["ageing"].get(name),
                sentence(field.description or MEANINGS[name]),
            )
            for name, field in message.model_fields.items()
        ]
        shown = ("figure", "on the page", "sulla pagina", "meaning")
        sections.append(f"## {title}\n\n{table(shown, rows)}")
    return "\n".join(sections)
