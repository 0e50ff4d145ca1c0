import re
import shlex
from configparser import RawConfigParser
from pathlib import Path

import pytest
import yaml

from pipelines.settings import Settings

ROOT = Path(__file__).parents[1]
SETTINGS = {f"PUNTUALE_{name.upper()}" for name in Settings.model_fields}
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
OF_COMPOSE = {"PUNTUALE_LEDGER_FOLDER"}  # read by compose itself: which folder it mounts
UNITS = sorted((ROOT / "deploy").glob("puntuale*"))


@pytest.mark.parametrize(
    "path",
    ["compose.yaml", "Dockerfile", "docs/deployment.md", *(f"deploy/{u.name}" for u in UNITS)],
)
def test_every_variable_that_is_named_is_a_setting(path):
    named = set(re.findall(r"PUNTUALE_[A-Z0-9_]*[A-Z]", (ROOT / path).read_text(encoding="utf-8")))
    assert named - {"PUNTUALE_NAME"} <= SETTINGS | OF_COMPOSE


@pytest.mark.parametrize("name", ["service", "worker"])
def test_our_containers_hold_no_rights_and_write_to_one_place(name):
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["user"] != "0"
    assert service["cap_drop"] == ["ALL"]
    assert [v for v in service["volumes"] if not v.endswith(":ro")] == ["home:/var/lib/puntuale"]


def test_every_service_waits_for_ones_that_tell_their_health():
    services = COMPOSE["services"]
    assert set(services) == {"service", "worker", "mlflow", "prefect", "postgres"}
    for service in services.values():
        for needed in service.get("depends_on", {}):
            assert "test" in services[needed]["healthcheck"]


def test_nothing_is_published_beyond_this_machine_and_no_secret_has_a_default():
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for secret in ("POSTGRES_PASSWORD", "PUNTUALE_API_KEYS"):
        assert set(re.findall(rf"\$\{{{secret}(..)", text)) == {":?"}


def test_the_image_is_built_in_one_stage_and_runs_in_another_without_root():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    words = [line.split()[0] for line in lines if re.match("[A-Z]+ ", line)]
    assert words.count("FROM") == 2
    assert "USER 10001" in lines
    assert words.index("USER") > len(words) - 1 - words[::-1].index("RUN")
    assert "HEALTHCHECK" in words
    copied = [
        shlex.split(line)[1] for line in lines if line.startswith("COPY") and "--" not in line
    ]
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for path in copied:
        assert (ROOT / path).exists()
        assert f"!{path.removeprefix('./')}" in allowed


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_says_what_systemd_needs(unit):
    parser = RawConfigParser(strict=False, comment_prefixes=("#",))
    parser.optionxform = str
    parser.read_string(unit.read_text(encoding="utf-8"))
    assert parser["Unit"]["Description"]
    kind = {".service": "Service", ".socket": "Socket", ".timer": "Timer"}[unit.suffix]
    section = parser[kind]
    if kind == "Service":
        assert section["User"] != "root"
        command = shlex.split(section["ExecStart"])
        assert command[0].endswith("/bin/puntuale")
        assert command[1] in ("serve", "nightly", "schedule", "overdue", "backup")
    if kind == "Timer":
        assert unit.with_suffix(".service") in UNITS


def test_f33_every_library_is_installed_by_the_hash_it_was_chosen_by():
    for name in ("requirements.txt", "deploy/requirements.txt"):
        locked = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line for line in locked.splitlines() if line and not line.startswith("#")]
        assert len(lines) > 100
        assert [line for line in lines if "--hash=sha256:" not in line] == []
    for path in ("Dockerfile", "Makefile"):
        text = (ROOT / path).read_text(encoding="utf-8")
        installs = [line for line in text.splitlines() if "install" in line and "-r req" in line]
        assert installs
        assert all("--require-hashes" in line for line in installs)


@pytest.mark.parametrize("name", ["puntuale-nightly.service", "puntuale.service"])
def test_f35_what_a_unit_started_ends_with_it(name):
    unit = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    kind = re.search("^KillMode=(.+)$", unit, re.MULTILINE)
    assert kind is not None
    assert kind[1] in ("control-group", "mixed"), "no process outlives its unit"


def test_an_installation_has_the_versions_that_the_tests_had_and_none_of_their_tools():
    tested, installed = (
        dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (ROOT / name).read_text("utf-8"), re.M))
        for name in ("requirements.txt", "deploy/requirements.txt")
    )
    assert installed
    assert {n: v for n, v in installed.items() if n in tested and tested[n] != v} == {}
    assert not {"pytest", "sphinx", "schemathesis", "shap"} & installed.keys()
