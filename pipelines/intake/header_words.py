"""How far a column's name says what it holds: names that exports use, in five languages."""

import re
import tomllib
from functools import cache
from pathlib import Path
from unicodedata import combining, normalize

SURE, LEAST = 1.0, 0.35  # of an exact name; a weaker likeness is none
_WORDS = Path(__file__).with_name("header_words.toml")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONG_ENOUGH = 6  # letters of a phrase that is looked for inside a word


@cache
def words() -> dict[str, dict[str, list[str]]]:
    """The file of names: table, field, phrases."""
    return tomllib.loads(_WORDS.read_text(encoding="utf-8"))


def tokens(name: str) -> tuple[str, ...]:
    """A name's words, without case, accents and marks: DataScadenza and DATA_SCADENZA are one."""
    parted = " ".join(_CAMEL.split(name.strip()))
    plain = "".join(c for c in normalize("NFKD", parted) if not combining(c))
    return tuple(re.sub(r"[^a-z0-9]+", " ", plain.casefold().replace("ß", "ss")).split())


def says(name: str, field: str, *, table: str) -> float:
    """How far the name says this field, 0 to 1."""
    said = tokens(name)
    listed = [field.replace("_", " "), *words()[table].get(field, ())]
    best = max(_alike(said, phrase) - rank / 1000 for rank, phrase in enumerate(listed))
    if best < SURE - len(listed) / 1000 and _is_denied(said, field):
        return 0.0
    return best if best >= LEAST else 0.0


def among(name: str, phrases: list[str]) -> bool:
    """Whether the name is one of the phrases."""
    joined = "".join(tokens(name))
    return any(joined == "".join(tokens(phrase)) for phrase in phrases)


def names_of_file(stem: str) -> set[str]:
    """What a file's name says that is in it: tables of the ledger, or `details`."""
    said = tokens(stem)
    return {
        kind for kind, phrases in words()["files"].items() if any(_within(p, said) for p in phrases)
    }


def _alike(said: tuple[str, ...], phrase: str) -> float:
    wanted = tuple(phrase.split())
    joined, compound = "".join(said), "".join(wanted)
    if joined == compound:
        return SURE
    if _within(phrase, said):
        return 0.55 + 0.35 * len(wanted) / len(said)
    if len(compound) >= _LONG_ENOUGH and compound in joined:
        return 0.5 + 0.3 * len(compound) / len(joined)
    return 0.0


def _within(phrase: str, said: tuple[str, ...]) -> bool:
    wanted = tuple(phrase.split())
    return any(said[at : at + len(wanted)] == wanted for at in range(len(said)))


def _is_denied(said: tuple[str, ...], field: str) -> bool:
    return any(_within(phrase, said) for phrase in words()["never"].get(field, ()))
