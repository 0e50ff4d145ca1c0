"""The project's habits: hooks, workflow, versions, and the pages about how to work together."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.docs.shown import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)", ".venv/bin")
    (found,) = re.findall(rf"^{target}:.*\n((?:\t.+\n)+)", makefile, re.MULTILINE)
    return [line.strip() for line in found.splitlines()]


def test_the_hooks_are_the_commands_of_make_check() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (local,) = config["repos"]
    assert [hook["entry"] for hook in local["hooks"]] == recipe("check")
    assert all(hook["language"] == "system" for hook in local["hooks"])
    assert not any(hook["pass_filenames"] for hook in local["hooks"])


def test_the_workflow_runs_what_runs_here_on_every_python_that_is_promised() -> None:
    test = WORKFLOW["jobs"]["test"]
    assert ".ci/run" in [step.get("run") for step in test["steps"]]
    assert WORKFLOW["permissions"] == {"contents": "read"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert test["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_every_foreign_action_is_held_to_a_major_version() -> None:
    used = [s["uses"] for job in WORKFLOW["jobs"].values() for s in job["steps"] if "uses" in s]
    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[\w-]+@v\d+", action)] == []


def test_the_version_is_semantic_and_the_changelog_begins_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)$", changelog, re.MULTILINE)
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert newest is not None
    assert newest[1] == project["version"]


def test_the_tools_of_a_release_are_locked_by_hash_and_may_be_run() -> None:
    text = (ROOT / "deploy" / "release.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line]
    assert [line for line in lines if "--hash=sha256:" not in line] == []
    assert {"cyclonedx-bom", "pip-audit"} <= {line.partition("==")[0] for line in lines}
    assert os.access(ROOT / "deploy" / "release", os.X_OK)


def test_a_release_that_the_changelog_does_not_tell_of_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "release", tmp_path / "deploy" / "release")
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "9.9.9"\n', encoding="utf-8")
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    command = ["bash", str(tmp_path / "deploy" / "release")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert '"## 9.9.9"' in done.stderr
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("name", ["bug", "idea", "answer"])
def test_an_issue_s_form_asks_something_and_for_no_real_data(name: str) -> None:
    form = ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml"
    told = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(told)
    ids = [part["id"] for part in told["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) >= 3
    assert any(part.get("validations", {}).get("required") for part in told["body"])


def test_nobody_s_address_is_in_the_pages_about_the_project() -> None:
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(r"\S+@\S+\.\w+", text) is None, name
        assert "advisor" in text or name == "CONTRIBUTING.md"
