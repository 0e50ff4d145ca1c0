"""Numbers for ids and rows: the same on every machine, in every process, in every version.

Python's own `hash` changes from process to process, so nothing at rest may depend on it. These are
not against an adversary; two different contents meet by accident once in 2**64.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int64]

_MISSING = np.uint64(0x9E3779B97F4A7C15)


def mix(x: Hashes) -> Hashes:
    """Each number scattered over all 64 bits (SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = x ^ (x >> np.uint64(31))
    return mixed


def of_strings(strings: pa.Array | pa.ChunkedArray) -> Hashes:
    """A number for each string: the sum of one drawn for each of its bytes in its place."""
    whole = strings.combine_chunks() if isinstance(strings, pa.ChunkedArray) else strings
    whole = whole.cast(pa.large_string())
    _, offsets_buffer, bytes_buffer = whole.buffers()
    if not len(whole):
        return np.zeros(0, np.uint64)
    offsets = np.frombuffer(offsets_buffer, np.int64)[whole.offset : whole.offset + len(whole) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    text = np.frombuffer(bytes_buffer or b"", np.uint8)[first:last]
    lengths = np.diff(offsets)

    starts = np.repeat(offsets[:-1] - first, lengths)
    places = np.arange(len(text)) - starts
    drawn = _drawn(int(lengths.max(initial=0)).bit_length())[(places << 8) | text]
    total = np.zeros(len(text) + 1, np.uint64)
    np.cumsum(drawn, out=total[1:])
    sums = total[offsets[1:] - first] - total[offsets[:-1] - first]
    numbers = mix(sums + lengths.astype(np.uint64))
    return np.where(np.asarray(whole.is_null()), _MISSING, numbers)


def of_customers(ids: pa.Array | pa.ChunkedArray) -> Hashes:
    """The same for ids that repeat: each is looked at once."""
    whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    if len(whole) == 1:
        return of_strings(whole)
    encoded = whole.dictionary_encode()
    numbers = np.append(of_strings(encoded.dictionary), _MISSING)
    codes: Codes = encoded.indices.fill_null(len(numbers) - 1).to_numpy().astype(np.int64)
    return numbers[codes]


def of_rows(table: pa.Table, seed: str) -> Hashes:
    """A number for each row: the seed and each value in its column's place."""
    numbers = np.full(table.num_rows, of_strings(pa.array([seed]))[0])
    for column in table.columns:
        numbers = mix(numbers ^ _of_values(column.combine_chunks()))
    return numbers


def _of_values(column: pa.Array) -> Hashes:
    if pa.types.is_string(column.type):
        return of_customers(column)
    missing = np.asarray(column.is_null())
    if pa.types.is_floating(column.type):
        bits = column.cast(pa.float64()).fill_null(0.0).to_numpy().view(np.uint64)
    else:
        narrow = pa.int8() if pa.types.is_boolean(column.type) else pa.int32()
        whole = column if pa.types.is_integer(column.type) else column.cast(narrow)
        bits = whole.fill_null(0).to_numpy().astype(np.int64).view(np.uint64)
    return np.where(missing, _MISSING, mix(bits))


@cache
def _drawn(bits: int) -> Hashes:
    """One number for each byte in each of 2**bits places."""
    return mix(np.arange(1 << (bits + 8), dtype=np.uint64))
