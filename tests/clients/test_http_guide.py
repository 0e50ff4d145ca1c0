"""The commands of docs/http.md work one after the other, and answer in the shape it shows."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from pipelines.records.webhooks import signature
from serving.problems import KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXACT = ("type", "status", "title", "table", "state", "score_source")  # words that are promised
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def code(language):
    (text,) = [text for kind, text in BLOCKS if kind == language]
    return text


def fits(shown, got, place="answer"):
    """Fails where the answer is not of the shape that the page shows."""
    if isinstance(shown, dict):
        assert isinstance(got, dict), place
        for name, value in shown.items():
            assert name in got, f"{place}.{name} is not there"
            if name in EXACT and isinstance(value, str) and value != "…":
                assert got[name] == value, f"{place}.{name}"
            fits(value, got[name], f"{place}.{name}")
    elif isinstance(shown, list):
        assert isinstance(got, list), place
        assert got or not shown, f"{place} is empty"
        for each in got if shown else ():
            fits(shown[0], each, f"{place}[]")
    elif isinstance(shown, int | float) and not isinstance(shown, bool):
        assert isinstance(got, int | float), place
    elif shown is not None:
        assert got is None or type(got) is type(shown), place


@pytest.fixture
def receiver():
    """An address that takes webhooks."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def ids(service):
    """A customer of the plan to whom a reminder can be written, and one of its invoices."""
    headers = {"X-API-Key": service.key}
    with httpx.Client(base_url=service.url, headers=headers) as client:
        for contact in client.get("/v1/plan?limit=50").json()["customers"]:
            draft = f"/v1/customers/{contact['customer_id']}/draft?action=reminder_1"
            if contact["invoices"] and client.get(draft).status_code == 200:
                return contact["customer_id"], contact["invoices"][0]
    raise AssertionError("nobody may be written to")


@pytest.mark.clients
def test_every_command_of_the_page_works_and_answers_as_it_shows(service, receiver, tmp_path):
    for program in ("curl", "jq", "bash"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on this machine")
    customer, invoice = ids(service)
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PUNTUALE": service.url,
        "PUNTUALE_HOME": str(service.home),
        "KEY": service.key,
        "CUSTOMER": customer,
        "INVOICE": invoice,
        "RECEIVER": receiver,
        "NO_PROXY": "*",
    }
    ran = 0
    for (kind, command), (next_kind, shown) in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True):
        if kind != "sh":
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), command
        if next_kind == "json":
            fits(json.loads(shown), json.loads(done.stdout))
        ran += 1
    assert ran > 25


def test_the_page_names_every_address_once(service):
    document = httpx.get(f"{service.url}/openapi.json", headers={"X-API-Key": service.key}).json()
    commands = "\n".join(command for kind, command in BLOCKS if kind == "sh")
    for path in document["paths"]:
        address = re.sub(r"\\\{\w+\\\}", r"""(?:\\$\\(.*?\\)|[^"/?\\s]+)""", re.escape(path))
        assert re.search(f'\\$PUNTUALE{address}["?]', commands), path


def test_the_page_names_every_problem_with_its_status():
    rows = re.findall(r"^\| (\d[\d, ]+) \| (.*?) \|", PAGE, re.MULTILINE)
    told = {
        kind: {int(status) for status in statuses.split(", ")}
        for statuses, kinds in rows
        for kind in re.findall(r"`([a-z-]+)`", kinds)
    }
    assert set(told) == set(KINDS)
    assert all(KINDS[kind][0] in statuses for kind, statuses in told.items())


def signed(body, *, age_seconds=0):
    at = datetime.fromtimestamp(time.time() - age_seconds, UTC)
    return {name.lower(): v for name, v in signature(SECRET, "msg_1", at=at, body=body).items()}


BODY = '{"type": "alert.raised", "name": "Società & C."}'
MESSAGES = [
    (signed(BODY), BODY, True),
    (signed(BODY), BODY + " ", False),
    (signed(BODY, age_seconds=900), BODY, False),
    (signed(BODY) | {"webhook-id": "msg_2"}, BODY, False),
    (signed(BODY) | {"webhook-signature": "v1,AAAA"}, BODY, False),
]


def test_the_pages_check_of_signatures_in_python_is_right():
    found: dict = {}
    exec(code("python"), found)
    for headers, body, genuine in MESSAGES:
        assert found["is_genuine"](SECRET, headers, body.encode()) is genuine


def test_the_pages_check_of_signatures_in_node_is_right(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    program = f"""{code("js")}
    const messages = {json.dumps([message[:2] for message in MESSAGES])};
    console.log(JSON.stringify(messages.map(([h, b]) => isGenuine("{SECRET}", h, Buffer.from(b)))));
    """
    file = tmp_path / "check.mjs"
    file.write_text(program, encoding="utf-8")
    done = subprocess.run([node, file], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [genuine for _, _, genuine in MESSAGES]
