"""The mappings that come with the product: which columns of which file become which."""

from collections.abc import Iterator, Mapping

from docs.made.markdown import code, table
from pipelines.intake import mapping
from pipelines.intake.mapping import Origin, Part


def markdown() -> str:
    """For each mapping what its files must be called and hold."""
    return "\n".join(_section(name) for name in mapping.shipped())


def _section(name: str) -> str:
    return "\n".join([f"## {name}\n", *map(_part, mapping.load(name).parts)])


def _part(part: Part) -> str:
    rows = [(code(column), _origin(origin)) for column, origin in part.columns.items()]
    taken = f"{code(part.file)} becomes {code(part.table)}, {_chosen(part)}:"
    return f"{taken}\n\n{table(('column', 'from'), rows)}"


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
    """Which rows of the file are taken."""
    said = [*_tests(part.where, "is"), *_tests(part.unless, "is not")]
    said += [f"{code(column)} is filled" for column in part.filled]
    said += [f"{code(column)} is not zero" for column in part.nonzero]
    said += [f"{code(part.without.file)} does not name it"] if part.without else []
    each = f"one row for each {code(part.one_row_per)}" if part.one_row_per else "each row"
    beside = f" with its row of {code(part.join.file)}" if part.join else ""
    return each + beside + (f" where {' and '.join(said)}" if said else "")


def _tests(of: Mapping[str, tuple[str, ...]], verb: str) -> Iterator[str]:
    for column, values in of.items():
        yield f"{code(column)} {verb} {' or '.join(code(value) for value in values)}"
