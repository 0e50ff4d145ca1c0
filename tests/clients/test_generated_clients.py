"""Clients that others' generators make from our OpenAPI document work, checked types included.

`make clients` puts the generators under `build/clients`; without them these tests are skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.clients

HERE, BUILT = Path(__file__).parent, Path(__file__).parents[2] / "build" / "clients"
PYTHON, NODE_MODULES = BUILT / "python" / "bin", BUILT / "node" / "node_modules"
SECONDS = 240  # a generator on a loaded machine


def run(*command, folder):
    """What a program writes; fails with all that it said."""
    path = os.pathsep.join([str(PYTHON), os.environ["PATH"]])  # the generator formats with ruff
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def document(service, tmp_path):
    """The document as the service gives it, in a folder of the test's own."""
    answer = httpx.get(f"{service.url}/openapi.json", headers={"X-API-Key": service.key})
    file = tmp_path / "openapi.json"
    file.write_bytes(answer.raise_for_status().content)
    return file


def test_a_generated_python_client_works(service, document, tmp_path):
    if not (PYTHON / "openapi-python-client").exists():
        pytest.skip("no generator of Python clients: run `make clients`")
    config = HERE / "python_client.yaml"
    told = run(
        *(PYTHON / "openapi-python-client", "generate", "--path", document, "--config", config),
        *("--output-path", tmp_path / "puntuale_client", "--meta", "none", "--fail-on-warning"),
        folder=tmp_path,
    )
    assert "warning" not in told.stdout.lower()
    shutil.copy(HERE / "use_client.py", tmp_path)
    check(run(PYTHON / "python", "use_client.py", service.url, service.key, folder=tmp_path))


def test_a_generated_typescript_client_passes_the_compiler_and_works(service, document, tmp_path):
    node = shutil.which("node")
    if node is None or not NODE_MODULES.is_dir():
        pytest.skip("no generator of TypeScript clients: run `make clients` (needs Node 20)")
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    for name in ("package.json", "tsconfig.json", "use_client.ts"):
        shutil.copy(HERE / name, tmp_path)
    generator = NODE_MODULES / "openapi-typescript" / "bin" / "cli.js"
    compiler = NODE_MODULES / "typescript" / "bin" / "tsc"
    run(node, generator, document, "-o", "schema.d.ts", folder=tmp_path)
    run(node, compiler, "--noEmitOnError", folder=tmp_path)
    check(run(node, "use_client.js", service.url, service.key, folder=tmp_path))


def check(done):
    """What a client of any language must have found."""
    found = json.loads(done.stdout)
    ((invoice_id, p_late_30),) = found["scored"]
    assert invoice_id == "2026/000311"
    assert 0 < p_late_30 < 1
    assert found["reasons"] > 1
    assert found["rows"] == [1, 0, "accepted"]
    assert found["again"] == [True, "true"]
    assert len(set(found["plan"])) == min(4, found["total"])
    asked, answered, band = found["invoice"]
    assert asked == answered
    assert band in ("low", "medium", "high", "critical")
    assert found["missing"] == [404, "urn:puntuale:problem:not-found"]
    assert found["wrong"] == [
        422,
        "urn:puntuale:problem:invalid-request",
        ["customers[0].invoices[0].amount"],
    ]


def test_the_locked_packages_carry_hashes_and_no_address():
    lock = (HERE / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: p for name, p in json.loads(lock)["packages"].items() if name}
    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert "://" not in lock
    assert "://" not in (HERE / "requirements.txt").read_text(encoding="utf-8")
