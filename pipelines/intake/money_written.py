"""Money as people write it: € 1.000,00 and $4,235.00 and (12.50), read to the cent or not at all.

Cents are rounded half to even, on the decimal digits as written: 0.005 is 0.00, 0.015 is 0.02.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CENT = Decimal("0.01")
LARGEST = 10**17  # cents beyond which a number is not money; the rules then judge what is plausible
_SIGN = re.compile(r"^(?P<open>\()?(?P<minus>-)?(?P<body>.*?)(?P<after>-)?(?P<close>\))?$")
_UNIT = re.compile(r"^([A-Z]{3}|[€$£¥₤₹]|kr\.?)|([A-Z]{3}|[€$£¥₤₹]|kr\.?)$")
_PLAIN = {
    ".": re.compile(r"^(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?$"),
    ",": re.compile(r"^(\d{1,3}(\.\d{3})+|\d+)?(,\d+)?$"),
}
_TWO_READINGS = re.compile(r"^[1-9]\d{0,2}[.,]\d{3}$")


def text_cents(texts: Sequence[str], decimal: str | None) -> list[int | None]:
    """Each text in cents, None where it is not money in this locale."""
    return [_cents(text, decimal) for text in texts]


def text_number(text: str, decimal: str | None) -> float | None:
    """The text as a number; with no locale stated, a lone mark is the decimal one (a rate)."""
    value = _decimal(text, decimal)
    if value is None and decimal != "," and re.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+", text.strip()):
        return float(text)  # 1e-05, as programs write small rates
    return None if value is None else float(value)


def two_readings(texts: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Why a column cannot be read without a stated locale, with the texts that show it."""
    readings = [_bare(text)[1] for text in texts]
    ambiguous = [i for i, body in enumerate(readings) if _TWO_READINGS.match(body)]
    if ambiguous:
        return [("an amount that can be read in two ways", ambiguous)]
    marks = [_decimal_mark(body) for body in readings]
    points = [i for i, mark in enumerate(marks) if mark == "."]
    commas = [i for i, mark in enumerate(marks) if mark == ","]
    if points and commas:
        return [("decimal points", points), ("decimal commas", commas)]
    return []


def typed_cents(raw: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """A numeric column in cents, and the rows that hold no amount of money."""
    if pa.types.is_integer(raw.type):
        fits = pc.less_equal(pc.abs(raw.cast(pa.float64())), LARGEST / 100).fill_null(False)
        whole = pc.multiply(pc.if_else(fits, raw, None).cast(pa.int64()), 100)
        return whole, np.asarray(pc.and_(raw.is_valid(), pc.invert(fits)))
    if pa.types.is_decimal(raw.type):
        values = _decimal_cents(raw)
    else:
        values = _float_cents(raw)
    return values, np.asarray(raw.is_valid()) & np.asarray(values.is_null())


def _decimal_cents(raw: pa.Array) -> pa.Array:
    try:
        money = pc.round(raw, ndigits=2, round_mode="half_to_even").cast(pa.decimal128(18, 2))
    except pa.ArrowInvalid:  # some value is too large for money: one by one, they become faults
        found = [None if value is None else _rounded(value) for value in raw.to_pylist()]
        return pa.array(found, pa.int64())
    return pc.multiply(money, pa.scalar(Decimal(100))).cast(pa.int64())


def _float_cents(raw: pa.Array) -> pa.Array:
    """Cents of binary fractions: where a half cent may hide, the shortest decimal form decides."""
    values: np.ndarray = raw.cast(pa.float64()).fill_null(np.nan).to_numpy()
    with np.errstate(over="ignore"):
        scaled = values * 100
    good = np.isfinite(values) & (np.abs(scaled) <= LARGEST)
    nearest = np.rint(np.where(good, scaled, 0))
    near_half = good & (np.abs(np.abs(scaled - nearest) - 0.5) < 1e-4)
    cents = nearest.astype(np.int64)
    short = raw.filter(pa.array(near_half)).to_numpy(zero_copy_only=False)
    cents[near_half] = [_rounded(Decimal(str(value))) or 0 for value in short]
    return pa.array(cents, mask=~good)


def _cents(text: str, decimal: str | None) -> int | None:
    value = _decimal(text, decimal)
    return None if value is None else _rounded(value)


def _rounded(value: Decimal) -> int | None:
    if not value.is_finite() or abs(value) * 100 > LARGEST:
        return None
    return int(value.quantize(CENT, rounding=ROUND_HALF_EVEN).scaleb(2))


def _decimal(text: str, decimal: str | None) -> Decimal | None:
    negative, body = _bare(text)
    mark = decimal or _decimal_mark(body) or "."
    if not body.strip(".,") or not _PLAIN[mark].match(body):
        return None
    plain = body.replace("," if mark == "." else ".", "").replace(",", ".")
    return -Decimal(plain) if negative else Decimal(plain)


def _bare(text: str) -> tuple[bool, str]:
    """Whether the text says minus, and its digits and marks alone: no spaces, no currency."""
    body = re.sub(r"[\s'\u2019\u00a0\u202f]", "", text).replace("\u2212", "-").removeprefix("+")
    body = _UNIT.sub("", body)
    parts = _SIGN.match(body)
    if parts is None or bool(parts["open"]) != bool(parts["close"]):
        return False, body
    inner = _UNIT.sub("", parts["body"])
    return bool(parts["open"] or parts["minus"] or parts["after"]), inner


def _decimal_mark(body: str) -> str | None:
    """The mark that must be the decimal one, None where the text has none."""
    points, commas = body.count("."), body.count(",")
    if points and commas:
        return "." if body.rfind(".") > body.rfind(",") else ","
    if points + commas == 1:
        return "." if points else ","
    if points or commas:  # 1.234.567: a mark that comes twice parts thousands
        return "," if points else "."
    return None
