"""The machine and the installation: Python, packages, clock, settings, home folder, disk."""

import os
import shutil
import stat
import sys
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryFile
from zoneinfo import ZoneInfo

from packaging.requirements import Requirement

from pipelines.checkup.finding import Finding, look, well, wrong
from pipelines.job import Job
from pipelines.settings import Settings

OLDEST, TOO_NEW = (3, 11), (3, 14)
NO_SETTINGS = {"DEBUG"}  # read elsewhere than in Settings; tests have their own
LEAST_FREE, LITTLE_FREE = 200 << 20, 2 << 30  # bytes: a night of a small company, and of a large
AHEAD_SECONDS = 300  # a file may be so much younger than the clock says
PRIVATE = 0o077


def python(job: Job) -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if OLDEST <= sys.version_info[:2] < TOO_NEW:
        return well("python", found)
    return wrong("python", f"{found}, expected 3.11 to 3.13", "make setup PYTHON=python3.12")


def packages(job: Job) -> Finding:
    """Whether what the project asks for is installed, in a version that it works with."""
    try:
        asked = [Requirement(line) for line in metadata.requires("puntuale") or ()]
    except metadata.PackageNotFoundError:
        return wrong("packages", "puntuale is not installed", "make setup, or pip install puntuale")
    faults, seen = [], 0
    for one in asked:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        seen += 1
        try:
            version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            faults.append(f"{one.name} is missing")
            continue
        if not one.specifier.contains(version, prereleases=True):
            faults.append(f"{one.name} {version}, expected {one.specifier}")
    if faults:
        return wrong("packages", "; ".join(faults), "make setup installs the locked versions")
    return well("packages", f"{seen} of {seen} that are needed")


def clock(job: Job) -> Finding:
    """Whether the clock is right enough to say which day it is: files are never from tomorrow."""
    now = job.at.timestamp()
    ahead = [p for p in _written(job.settings) if p.stat().st_mtime > now + AHEAD_SECONDS]
    here = job.at.astimezone(ZoneInfo(job.settings.zone))
    told = f"{here:%Y-%m-%d %H:%M} in {job.settings.zone}"
    if ahead:
        until = datetime.fromtimestamp(ahead[0].stat().st_mtime, UTC)
        return wrong(
            "clock",
            f"{told}, but {ahead[0].name} was written at {until:%Y-%m-%d %H:%M} UTC",
            "set the machine's clock (timedatectl set-ntp true)",
        )
    return well("clock", told)


def settings(job: Job) -> Finding:
    """Whether every variable that looks like a setting is one: a misspelt one does nothing."""
    known = {name.upper() for name in Settings.model_fields} | NO_SETTINGS
    given = {name.removeprefix("PUNTUALE_") for name in _variables() if not _is_test(name)}
    unknown = sorted(given - known)
    if not unknown:
        count = len(job.settings.model_fields_set)
        return well("settings", f"{count} set, {len(Settings.model_fields) - count} by default")
    told = []
    for name in unknown:
        alike = get_close_matches(name, sorted(known), n=1)
        told.append(f"PUNTUALE_{name}" + (f" (PUNTUALE_{alike[0]}?)" if alike else ""))
    return look(
        "settings",
        f"no setting: {', '.join(told)}",
        "correct the name; .env.example lists them all",
    )


def home(job: Job) -> Finding:
    """Whether the home folder can be written, or made where it is not there yet."""
    folder = job.settings.home
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        return wrong("home", f"{there} is a file", "set PUNTUALE_HOME to a folder")
    try:
        with TemporaryFile(dir=there) as file:
            file.write(b"?")
    except OSError as fault:
        owner = there.stat().st_uid
        return wrong(
            "home",
            f"{there} can't be written: {fault.strerror}; it belongs to user {owner}",
            f"chown -R {os.getuid()} {there}, or set PUNTUALE_HOME to another folder",
        )
    locked = [p for p in _written(job.settings) if not os.access(p, os.R_OK | os.W_OK)]
    if locked:
        return wrong(
            "home",
            f"{len(locked)} files can't be read and written, first {locked[0]}",
            f"chown -R {os.getuid()} {folder}: they were written by another user",
        )
    return well("home", f"{folder.absolute()}{'' if folder.exists() else ', not made yet'}")


def disk(job: Job) -> Finding:
    there = next(
        p
        for p in (job.settings.home.absolute(), *job.settings.home.absolute().parents)
        if p.exists()
    )
    free = shutil.disk_usage(there).free
    used = sum(path.stat().st_size for path in _written(job.settings))
    told = f"{_size(free)} free, {_size(used)} used below {job.settings.home}"
    if free < LEAST_FREE:
        return wrong("disk", told, "free some space: a night that finds none publishes nothing")
    if free < LITTLE_FREE:
        return look("disk", told, "free some space, or lower PUNTUALE_SNAPSHOTS_KEPT")
    return well("disk", told)


def secrets(job: Job) -> Finding:
    """Whether the settings file that holds keys or passwords is for its owner only."""
    file = Path(".env")
    ours = job.settings
    held = bool(ours.api_keys or ours.smtp_url or "@" in (ours.database_url or ""))
    if not file.exists() or not held:
        return well("secrets", "none in .env")
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & PRIVATE:
        return look("secrets", f".env may be read by others ({mode:o})", "chmod 600 .env")
    return well("secrets", ".env is its owner's alone")


def _variables() -> list[str]:
    """The variables of ours, in the environment and in `.env`."""
    names = [name for name in os.environ if name.startswith("PUNTUALE_")]
    file = Path(".env")
    if file.is_file():
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        heads = (line.removeprefix("export ").partition("=")[0].strip() for line in lines)
        names += [head for head in heads if head.startswith("PUNTUALE_")]
    return names


def _is_test(name: str) -> bool:
    return name.startswith("PUNTUALE_TEST")


def _written(settings: Settings) -> list[Path]:
    if not settings.home.is_dir():
        return []
    return [path for path in settings.home.rglob("*") if path.is_file()]


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count //= 1000
    return f"{count:,.0f} GB"
