"""What every bridge to Puntuale does: read what changed, send it as rows, ask for the plan.

Needs httpx. A run that broke off is run again: rows are named by their keys, so what was sent
already changes nothing.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

Row = dict[str, Any]
ROWS_AT_ONCE = 2_000  # at most 10,000 rows and 4 MB are taken


def service(url: str, key: str) -> httpx.Client:
    """A client with the scopes read and write."""
    return httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=30)


def send(puntuale: httpx.Client, table: str, rows: list[Row]) -> list[Row]:
    """Sends rows of a table; the verdicts of those that are held, with their faults.

    Without an Idempotency-Key: rows are named by their keys. One made of the content would be
    wrong, for a row may be changed and changed back.
    """
    held: list[Row] = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        body = {"rows": rows[start : start + ROWS_AT_ONCE]}
        answer = puntuale.put(f"/v1/ledger/{table}", json=body)
        answer.raise_for_status()
        held += [verdict for verdict in answer.json()["rows"] if verdict["status"] == "held"]
    return held


def contacts(puntuale: httpx.Client, *, language: str = "it") -> Iterator[Row]:
    """The day's contacts, by worth; those who wait are left out."""
    cursor: str | None = "0"
    while cursor is not None:
        query = {"cursor": cursor, "limit": 200, "lang": language}
        page = puntuale.get("/v1/plan", params=query).raise_for_status().json()
        yield from (contact for contact in page["customers"] if contact["code"] != "wait")
        cursor = page["next_cursor"]


def changed(
    read: Callable[[str, int], list[Row]], moment: str, *, since: str, size: int = 500
) -> Iterator[Row]:
    """Every record whose `moment` is not before `since`, the oldest first.

    `read` gives the first `size` of them from a moment on. Going on from the last moment, not from
    a count, misses nothing when records change meanwhile.
    """
    seen: set[tuple[Any, Any]] = set()
    while True:
        page = read(since, size)
        for record in page:
            named = (record.get("name"), record.get("id"), record[moment])
            if named not in seen:
                seen.add(named)
                yield record
        if len(page) < size:
            return
        if page[-1][moment] == since:  # a bulk change filled the page with one moment
            size *= 2
        since = page[-1][moment]


class Progress:
    """How far each kind of record was read, in a file; kept only once its rows were taken."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.until: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}

    def since(self, kind: str) -> str:
        return self.until.get(kind, "1990-01-01 00:00:00")

    def keep(self, kind: str, moments: list[str]) -> None:
        self.until[kind] = max([self.since(kind), *moments])
        beside = self.file.with_suffix(".new")
        beside.write_text(json.dumps(self.until))
        beside.replace(self.file)
