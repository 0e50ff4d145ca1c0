"""Ids that a person reads as the same: a Cyrillic А for a Latin A, another case.

They are reported as possible duplicates and never merged: two firms may well differ by one letter.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

# The Cyrillic and Greek letters drawn like a Latin one, in lower case.
_DRAWN_ALIKE = str.maketrans("авеѕіјкмнорстухԁɡһӏαβεικμνορτυχ", "abesijkmhopctyxdghlabeikmvoptyx")


def look_alikes(ids: pa.Array) -> list[Sequence[str]]:
    """The groups of distinct ids that look the same, each sorted."""
    distinct = pc.unique(ids).drop_null()
    drawn = pc.utf8_lower(distinct)
    if not pc.all(pc.string_is_ascii(distinct), min_count=0).as_py():
        drawn = pa.array([text.translate(_DRAWN_ALIKE) for text in drawn.to_pylist()])
    counts = drawn.value_counts()
    again = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if not len(again):
        return []
    groups: dict[str, list[str]] = {}
    among = pc.is_in(drawn, value_set=again)
    pairs = zip(drawn.filter(among).to_pylist(), distinct.filter(among).to_pylist(), strict=True)
    for drawing, text in pairs:
        groups.setdefault(drawing, []).append(text)
    return [sorted(group) for group in groups.values()]
