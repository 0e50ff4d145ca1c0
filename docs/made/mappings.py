"""The mappings that come with the product: which columns of which file become which."""

from collections.abc import Iterator, Mapping

from docs.made.markdown import code, table
from pipelines.intake import mapping
from pipelines.intake.mapping import Origin, Part


def markdown() -> str:
    """For each mapping what its files must be called and hold."""
    return "\n".join(_section(name) for name in mapping.shipped())


def _section(name: str) -> str:
    parts = mapping.load(name).parts
    rows = [row for part in parts for row in _rows(part)]
    return f"## {name}\n\n{table(('file', 'becomes', 'column', 'from', 'which rows'), rows)}"


def _rows(part: Part) -> Iterator[tuple[str, ...]]:
    first = (code(part.file), code(part.table))
    for column, origin in part.columns.items():
        yield (*first, code(column), _origin(origin), _chosen(part) if first[0] else "")
        first = ("", "")


def _origin(origin: Origin) -> str:
    """The columns that a value comes from, and what is done to it."""
    said = [", else ".join(code(column) for column in origin.columns())]
    if origin.ids:
        said = [" and ".join(code(column) for column in origin.ids)]
    if origin.constant is not None:
        said = [f"always {code(origin.constant)}"]
    said += [f"{origin.plus_days} days later"] if origin.plus_days else []
    said += [f"{origin.minus_days} days before"] if origin.minus_days else []
    for done in ("negate", "absolute", "inverse", "occurrence"):
        said += [done] if getattr(origin, done) else []
    said += ["in other words"] if origin.values else []
    return ", ".join(said)


def _chosen(part: Part) -> str:
    said = [*_tests(part.where, "is"), *_tests(part.unless, "is not")]
    said += [f"{code(column)} is filled" for column in part.filled]
    said += [f"{code(column)} is not zero" for column in part.nonzero]
    said += [f"one for each {code(part.one_row_per)}"] if part.one_row_per else []
    said += [f"with the row of {code(part.join.file)}"] if part.join else []
    said += [f"not named in {code(part.without.file)}"] if part.without else []
    return "; ".join(said) or "all"


def _tests(of: Mapping[str, tuple[str, ...]], verb: str) -> Iterator[str]:
    for column, values in of.items():
        yield f"{code(column)} {verb} {' or '.join(code(value) for value in values)}"
