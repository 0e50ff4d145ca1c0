"""The records as doors use them: opened when first needed, and away for a while without harm."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from pipelines.records import keys
from pipelines.records.database import Database, RecordsAway, RecordsDamaged, open_database
from pipelines.records.keys import Key
from serving.problems import Problem

logger = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 5


class RecordsAtHand:
    """Connections to the records; a Problem (503) while their database is away."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database: Database | None = None
        self._failed_at: float | None = None
        self._why = ""
        self._opening = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that may write."""
        with self._told(), self.database().writing() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent look."""
        with self._told(), self.database().reading() as connection:
            yield connection

    def keys(self) -> Sequence[Key]:
        """Every key; RecordsAway or RecordsDamaged where they cannot be read."""
        with self.database().reading() as connection:
            return keys.all_keys(connection)

    def database(self) -> Database:
        """The database, opened once; one that was away is not asked again for some seconds."""
        with self._opening:
            if self._database is None:
                failed = self._failed_at
                if failed is not None and time.monotonic() - failed < TRY_AGAIN_SECONDS:
                    raise RecordsAway(self._why)
                try:
                    self._database = open_database(self.url)
                except (RecordsAway, RecordsDamaged) as fault:
                    self._failed_at, self._why = time.monotonic(), str(fault)
                    raise
            return self._database

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (RecordsAway, RecordsDamaged) as fault:
            logger.error("the records cannot be used: %s", fault)
            headers = {"Retry-After": str(TRY_AGAIN_SECONDS)}
            detail = "The records' database does not answer; nothing was written."
            raise Problem("records-away", detail, headers=headers) from fault
