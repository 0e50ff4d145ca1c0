"""Deliveries: the messages that wait in the outbox are sent to those who asked for them.

Runs beside the requests and in their process. A message is signed anew at each attempt; anything
but a 2xx within ten seconds is a failure, a redirect too: nobody is led to another address.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from pipelines.records import webhooks
from pipelines.records.webhooks import Due
from serving.records_at_hand import RecordsAtHand
from serving.web_addresses import AddressRefused, LookUp, Target, look_up, parse, resolve

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
ANSWER_SECONDS = 10.0  # for all of it: name, connection, sending, answer
AT_ONCE = 20
HEAD_BYTES = 16_384  # of an answer; its body is not read


@dataclass
class Deliveries:
    """Takes what is due, sends it, and notes what came."""

    records: RecordsAtHand
    allow_private: bool = False
    look_up: LookUp = look_up
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    answer_seconds: float = ANSWER_SECONDS
    _fault: str | None = field(default=None, init=False)

    async def keep_sending(self) -> None:
        """Sends what is due, again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                while await self.send_due() == AT_ONCE:
                    pass
                self._fault = None
            except Exception as fault:  # whatever it is, the next look may go well
                if self._fault is None:  # said once, not every five seconds
                    logger.error("no webhook can be told: %s", fault)
                self._fault = str(fault)

    async def send_due(self) -> int:
        """Send up to `AT_ONCE` messages that are due, side by side; how many there were."""
        due = await asyncio.to_thread(self._take)
        await asyncio.gather(*(self._send(one) for one in due))
        return len(due)

    def _take(self) -> list[Due]:
        database, at = self.records.database(), self.now()
        with database.reading() as connection:
            if not webhooks.is_any_due(connection, at=at):
                return []
        with database.writing() as connection:
            return webhooks.take(connection, at=at, limit=AT_ONCE)

    async def _send(self, due: Due) -> None:
        try:
            async with asyncio.timeout(self.answer_seconds):
                status = await self._post(due)
            is_taken, answer = 200 <= status < 300, str(status)
        except AddressRefused as fault:
            is_taken, answer = False, str(fault)
        except TimeoutError:
            is_taken, answer = False, f"no answer within {self.answer_seconds:g} seconds"
        except (OSError, ValueError, asyncio.IncompleteReadError) as fault:
            is_taken, answer = False, type(fault).__name__
        await asyncio.to_thread(self._note, due, is_taken, answer)

    async def _post(self, due: Due) -> int:
        target = parse(due.url, allow_private=self.allow_private)
        address = await resolve(target, allow_private=self.allow_private, look_up=self.look_up)
        headers = webhooks.signature(due.secret, due.event_id, at=self.now(), body=due.body)
        reader, writer = await asyncio.open_connection(
            address,
            target.port,
            limit=HEAD_BYTES,
            ssl=self._tls if target.is_secure else None,
            server_hostname=target.host if target.is_secure else None,
        )
        try:
            writer.write(request(target, headers, due.body.encode()))
            await writer.drain()
            return await _status(reader)
        finally:
            writer.transport.abort()

    def _note(self, due: Due, is_taken: bool, answer: str) -> None:
        note = webhooks.delivered if is_taken else webhooks.failed
        with self.records.database().writing() as connection:
            note(connection, due, answer, at=self.now())

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def request(target: Target, headers: dict[str, str], body: bytes) -> bytes:
    """The request as it goes over the wire."""
    told = {
        "Host": target.authority,
        "User-Agent": "Puntuale",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    lines = [f"POST {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def _status(reader: asyncio.StreamReader) -> int:
    """The status of the answer; ValueError where it is none, OSError where it ends before."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        version, code, *_ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        if not version.startswith(b"HTTP/1.") or len(code) != 3:
            raise ValueError("the answer is not HTTP/1.1")
        if (status := int(code)) >= 200:  # before it there may be news of what is to come
            return status
