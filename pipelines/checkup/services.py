"""What else must be there: the port to listen on, Prefect's server, Dask's, the mail server."""

import json
import os
import socket
from contextlib import closing
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from pipelines.checkup.finding import Finding, look, well, wrong
from pipelines.job import Job

WAIT_SECONDS = 3


def port(job: Job) -> Finding:
    """Whether `puntuale serve` may have its port, or has it already."""
    host, number = job.settings.host, job.settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, number))
        except OSError as fault:
            if _answers_here(host, number):
                return well("port", f"{host}:{number}, puntuale serve answers there")
            told = f"{host}:{number}: {fault.strerror}"
            return wrong(
                "port", told, f"puntuale serve --port {number + 1 if number < 65535 else 8000}"
            )
    return well("port", f"{host}:{number} is free")


def prefect(job: Job) -> Finding:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return well("prefect", "no server named: flows start one of their own")
    try:
        with urlopen(f"{url.rstrip('/')}/health", timeout=WAIT_SECONDS) as answer:
            return well("prefect", f"{url} answers {answer.status}")
    except (URLError, OSError, ValueError) as fault:
        advice = "start it, or unset PREFECT_API_URL; puntuale nightly needs no Prefect"
        return wrong("prefect", f"{url}: {fault}", advice)


def dask(job: Job) -> Finding:
    address = job.settings.dask_scheduler
    if not address or address == "local":
        return well("dask", "none: this machine works alone")
    return _reached("dask", address, "start the scheduler, or unset PUNTUALE_DASK_SCHEDULER", 8786)


def mail(job: Job) -> Finding:
    if job.settings.smtp_url is None:
        return well("mail", "none: nothing is mailed")
    address = job.settings.smtp_url.get_secret_value()
    usual = 465 if address.startswith("smtps") else 25
    return _reached("mail", address, "correct PUNTUALE_SMTP_URL, or ask who runs the server", usual)


def _reached(what: str, address: str, advice: str, usual_port: int) -> Finding:
    """Whether something listens at an address; its password is not shown."""
    parts = urlsplit(address)
    place = parts.hostname or "", parts.port or usual_port
    told = f"{place[0]}:{place[1]}"
    try:
        with closing(socket.create_connection(place, timeout=WAIT_SECONDS)):
            return well(what, f"{told} answers")
    except OSError as fault:
        return look(what, f"{told}: {fault}", advice)


def _answers_here(host: str, number: int) -> bool:
    """Whether what listens there is ours."""
    asked = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    try:
        with urlopen(f"http://{asked}:{number}/healthz", timeout=WAIT_SECONDS) as answer:
            return isinstance(json.load(answer), dict)
    except (URLError, OSError, ValueError):
        return False
