"""A folder where files arrive: on this machine, or an S3-compatible store of objects.

Both go through fsspec; S3 through the client that Arrow brings, so that nothing more is installed.
A file is fetched whole before it is looked at: what is hashed is what is read.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pipelines.intake.files import MAX_BYTES, SUFFIXES, IntakeRefused

SCHEMES = ("file", "memory", "s3")
SETTLED_SECONDS = 60  # a file that changed less long ago may still be growing
_PARQUET_END = b"PAR1"


@dataclass(frozen=True)
class Arrival:
    """A file of the folder: its name below it, and as it was when it was listed."""

    name: str
    size: int
    modified: datetime
    path: str  # as the store of files calls it


class Folder:
    """Files below one address: a path, `file://`, `s3://bucket/prefix` or `memory://`."""

    def __init__(self, address: str, *, s3_endpoint: str | None = None) -> None:
        self.files = _file_system(address, s3_endpoint)
        self.root = str(self.files._strip_protocol(address)).rstrip("/")

    def arrivals(self) -> list[Arrival]:
        """The CSV and Parquet files, in the order in which they came; IntakeRefused without any."""
        try:
            found: Mapping[str, Mapping[str, Any]] = self.files.find(self.root, detail=True)
        except FileNotFoundError:
            found = {}
        if not found and not self.files.exists(self.root):
            raise IntakeRefused([f"expected a folder of files, got nothing at {self.root}"])
        arrivals = [
            Arrival(path[len(self.root) :].lstrip("/"), info["size"], _modified(info), path)
            for path, info in found.items()
        ]
        chosen = [a for a in arrivals if _is_wanted(PurePosixPath(a.name))]
        return sorted(chosen, key=lambda arrival: (arrival.modified, arrival.name))

    def fetch(self, arrival: Arrival, to: Path) -> Path:
        """The file on this machine, in a folder, under its own name."""
        if arrival.size > MAX_BYTES:
            size = f"{arrival.size:,} bytes, at most {MAX_BYTES:,}"
            raise IntakeRefused([f"{arrival.name}: {size}: split the file"])
        path = to / PurePosixPath(arrival.name).name
        self.files.get_file(arrival.path, str(path))
        return path


def why_wait(arrival: Arrival, *, at: datetime) -> str:
    """Why the file is left for the next time, by its age; empty when it may be fetched."""
    if abs((at - arrival.modified).total_seconds()) < SETTLED_SECONDS:
        return f"changed less than {SETTLED_SECONDS} seconds ago"
    return ""


def why_unfinished(path: Path, *, encoding: str) -> str:
    """Why the content is only the beginning of a file; empty when it has its end."""
    end = {16: 2, 32: 4}.get(next((n for n in (16, 32) if str(n) in encoding), 0), 1)
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4))
        tail = file.read()
    if path.suffix == ".parquet":
        return "" if tail == _PARQUET_END else "the Parquet file has no end yet"
    closed = {b"\n", b"\r"} & {tail[-1:], tail[-end:].strip(b"\0")}
    return "" if closed else "the last line has no end yet"


def _is_wanted(name: PurePosixPath) -> bool:
    return name.suffix in SUFFIXES and not any(part.startswith(".") for part in name.parts)


def _modified(info: Mapping[str, Any]) -> datetime:
    """When the file was last written; each file system has its own word for it."""
    told = info.get("mtime", info.get("created"))
    if isinstance(told, int | float):
        return datetime.fromtimestamp(told, UTC)
    if not isinstance(told, datetime):
        return datetime.fromtimestamp(0, UTC)
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _file_system(address: str, s3_endpoint: str | None) -> Any:
    import fsspec  # type: ignore[import-untyped]

    scheme = address.partition("://")[0] if "://" in address else "file"
    if scheme != "s3":
        return fsspec.filesystem(scheme)
    from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]
    from pyarrow.fs import S3FileSystem

    if s3_endpoint is None:
        return ArrowFSWrapper(S3FileSystem())
    place = urlsplit(s3_endpoint if "://" in s3_endpoint else f"https://{s3_endpoint}")
    # a store of one's own has no regions, and asking the cloud for one takes seconds
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return ArrowFSWrapper(
        S3FileSystem(endpoint_override=place.netloc, scheme=place.scheme, region=region)
    )
