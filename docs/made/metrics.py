"""Every metric that `GET /metrics` tells."""

from docs.made.markdown import code, table
from serving.metrics import MEASURES


def markdown() -> str:
    """One row for each metric, with the labels that part it."""
    rows = [
        (code(name), measure.kind, ", ".join(map(code, measure.labels)), measure.about)
        for name, measure in MEASURES.items()
    ]
    return table(("metric", "kind", "labels", "meaning"), rows)
