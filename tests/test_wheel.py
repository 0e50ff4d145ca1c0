"""What is released is whole: the wheel holds every file that the product reads, and runs alone."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "pipelines", "serving")
UV = Path(sys.executable).with_name("uv")
ONE_OF_EACH_KIND = (
    "models/actions.toml",
    "models/drafts/it/reminder_1.j2",
    "models/py.typed",
    "models/reference_rates.csv",
    "models/signals.toml",
    "pipelines/intake/mappings/xero.toml",
    "pipelines/py.typed",
    "pipelines/records/migrations/env.py",
    "pipelines/records/migrations/versions/first_0001.py",
    "pipelines/templates/night.html",
    "serving/phrases.toml",
    "serving/py.typed",
    "serving/static/page.css",
    "serving/templates/plan.html",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what is at hand: the builder is in uv's cache since the set-up."""
    if not UV.exists():
        pytest.skip("no uv in this environment: make setup")
    folder = tmp_path_factory.mktemp("dist")
    command = [UV, "build", "--quiet", "--offline", "--wheel", "--out-dir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "network was disabled" in done.stderr:
        pytest.skip("uv's cache has no hatchling: make setup puts it there")
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


def test_every_file_of_the_packages_is_in_the_wheel_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    beside = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == beside | {"pipelines/settings.env"}  # the text that `puntuale init` writes
    assert set(ONE_OF_EACH_KIND) <= inside


def test_the_wheel_runs_in_an_environment_of_its_own_without_the_sources(
    wheel: Path, tmp_path: Path
) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PUNTUALE_", "PYTHON"))}
    fresh = tmp_path / "fresh"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, fresh], check=True, env=env)
    inside = {**env, "VIRTUAL_ENV": str(fresh)}
    install = [UV, "pip", "install", "--quiet", "--offline", "--no-deps", wheel]
    subprocess.run(install, check=True, env=inside)
    python = fresh / "bin" / "python"
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    asked = subprocess.run(where, check=True, capture_output=True, text=True, env=env)
    packages = Path(asked.stdout.strip())
    # the libraries are those of this environment; the sources, which it names in a file, are not
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def told(*command: str) -> str:
        done = subprocess.run(
            [fresh / "bin" / command[0], *command[1:]],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert Path(told("python", "-c", "import models; print(models.__file__)")).is_relative_to(fresh)
    assert "Which invoices will be paid late" in told("puntuale", "--help")
    assert "reminder_1" in told("puntuale", "actions", "--json")
