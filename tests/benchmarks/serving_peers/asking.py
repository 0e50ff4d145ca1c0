"""The load: asks one address over connections of its own, and tells what came (JSON on stdout).

Runs in a process beside the server's, on another core. `closed` asks again as soon as it was
answered; `open` asks at a rate, whatever comes back, and stamps each request with the moment at
which it should have been sent.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field


@dataclass
class Came:
    accepted: list[float] = field(default_factory=list)  # seconds of each 200
    refused: list[float] = field(default_factory=list)  # of each 503
    failed: int = 0  # neither, or a connection that ended


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bool]:
    """The status, and whether the server closes the connection after its answer."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    at = lower.index(b"content-length:") + 15
    await reader.readexactly(int(lower[at : lower.index(b"\r", at)]))
    return int(head[9:12]), b"\r\nconnection: close\r" in lower


async def connection(port: int, request: bytes, due: "asyncio.Queue[float | None]", came: Came):
    streams = None
    while (moment := await due.get()) is not None:
        try:
            streams = streams or await asyncio.open_connection("127.0.0.1", port)
            status, closes = await ask(*streams, request)
        except (OSError, asyncio.IncompleteReadError):
            came.failed, streams = came.failed + 1, None
            continue
        took = time.perf_counter() - moment
        if closes:
            streams[1].close()
            streams = None
        if status == 200:
            came.accepted.append(took)
        elif status == 503:
            came.refused.append(took)
        else:
            came.failed += 1
    if streams:
        streams[1].close()


async def closed(port: int, request: bytes, count: int) -> Came:
    came, streams = Came(), await asyncio.open_connection("127.0.0.1", port)
    for n in range(count + 20):
        began = time.perf_counter()
        status, _ = await ask(*streams, request)
        if n < 20:  # warming up
            continue
        if status == 200:
            came.accepted.append(time.perf_counter() - began)
        else:
            came.failed += 1
    streams[1].close()
    return came


async def at_rate(port: int, request: bytes, rate: float, seconds: float, wide: int) -> Came:
    came, due = Came(), asyncio.Queue()
    asking = [asyncio.create_task(connection(port, request, due, came)) for _ in range(wide)]
    began, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - began) < seconds:
        while sent < now * rate:
            due.put_nowait(began + sent / rate)
            sent += 1
        await asyncio.sleep(0.001)
    while not due.empty():  # who had no connection left was never sent
        due.get_nowait()
    for _ in asking:
        due.put_nowait(None)
    await asyncio.gather(*asking)
    return came


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("port", type=int)
    asked.add_argument("path")
    asked.add_argument("--body")
    asked.add_argument("--count", type=int, default=500)
    asked.add_argument("--rate", type=float)
    asked.add_argument("--seconds", type=float, default=5)
    asked.add_argument("--wide", type=int, default=256)
    options = asked.parse_args()
    body = open(options.body, "rb").read() if options.body else b""
    method = "POST" if body else "GET"
    request = (
        f"{method} {options.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    if options.rate:
        work = at_rate(options.port, request, options.rate, options.seconds, options.wide)
    else:
        work = closed(options.port, request, options.count)
    came = asyncio.run(work)
    print(json.dumps(vars(came)))


if __name__ == "__main__":
    main()
