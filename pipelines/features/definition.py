"""Definitions: what a feature works out, in words and signs that a person can read."""

from typing import Any

from pipelines.as_of import Node

_BINDS = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2}
_TIGHT = 3  # names, numbers and functions need no brackets

_MANY = 3  # of more than so many alike, the first and the last tell the rest

Said = tuple[str, int]  # the text, and how tightly it binds


def definition(node: Node) -> str:
    """The expression, with streams and windows as the glossary of `docs/features.md` has them."""
    return _said(node.key)[0]


def _said(key: Any) -> Said:
    what, *about = key
    match what, about:
        case "/", [("sum", *summed), ("count", *counted)] if [summed[0], summed[-1]] == counted:
            return f"mean({_column(*summed[:2])}{_window(summed[-1])})", _TIGHT
        case "/", [("hits", *hit), ("count", *counted)] if [hit[0], hit[-1]] == counted:
            return f"share({_condition(*hit[:-1])}{_window(hit[-1])})", _TIGHT
        case (("+" | "-" | "*" | "/" | "%"), [left, right]):
            return _combined(str(what), left, right)
    return _closed(str(what), about), _TIGHT


def _closed(what: str, about: list[Any]) -> str:
    """What needs no brackets around it: names, numbers, functions."""
    match what, about:
        case "as_of", []:
            return "as_of"
        case "given", [name]:
            return f"this.{name}"
        case "constant", [value]:
            return _number(value)
        case "abs", [inner]:
            return f"|{_said(inner)[0]}|"
        case "above", [limit, inner]:
            return f"({_said(inner)[0]} > {_number(limit)})"
        case "fill", [value, inner]:
            return f"({_said(inner)[0]} or {_number(value)})"
        case "unless", [value, inner]:
            return f"({_said(inner)[0]} unless {_number(value)})"
        case (("largest" | "which_largest"), several):
            said = [_said(one)[0] for one in several]
            if len(said) > _MANY:
                said[1:-1] = ["..."]
            return f"{what}({', '.join(said)})"
    return _of_stream(what, about)


def _of_stream(what: str, about: list[Any]) -> str:
    match what, about:
        case "count", [stream, days]:
            return f"count({stream}{_window(days)})"
        case "hits", [*hit, days]:
            return f"count({_condition(*hit)}{_window(days)})"
        case (("sum" | "std" | "max" | "median"), [stream, column, days]):
            return f"{what}({_column(stream, column)}{_window(days)})"
        case "apply", [stream, function, column, days]:
            return f"{function}({_column(stream, column)}{_window(days)})"
        case "first", [stream, column]:
            return f"first({_column(stream, column)})"
        case "last", [stream, column, back, days_ago]:
            further = f", {back} before" if back else ""
            ago = f", {days_ago} days ago" if days_ago else ""
            return f"last({_column(stream, column)}{further}{ago})"
        case "ewm", [stream, column, half_life]:
            return f"ewm({_column(stream, column)}, half life {half_life} days)"
        case "slope", [stream, column, days, events]:
            among = f", last {events} events" if events else _window(days)
            return f"slope({_column(stream, column)}{among})"
    raise ValueError(f"an expression must be one that definitions know, got: {what}")


def _combined(sign: str, left: Any, right: Any) -> Said:
    binds = _BINDS[sign]
    before, after = _said(left), _said(right)
    first = f"({before[0]})" if before[1] < binds else before[0]
    second = f"({after[0]})" if after[1] <= binds else after[0]
    return f"{first} {sign} {second}", binds


def _column(stream: str, column: str) -> str:
    return f"{stream}.{column}"


def _condition(stream: str, column: str, above: int | None, equal: int | None) -> str:
    limit = f"> {above}" if above is not None else f"= {equal}"
    return f"{_column(stream, column)} {limit}"


def _window(days: int | None) -> str:
    return "" if days is None else f", {days} days"


def _number(value: Any) -> str:
    return f"{value:g}" if abs(value) < 1_000_000 else f"{value:,.0f}"
