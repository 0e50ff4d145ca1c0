import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines.settings import Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PUNTUALE_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_example_lists_every_setting_once_and_nothing_else() -> None:
    listed = re.findall(r"^# PUNTUALE_([A-Z0-9_]+)=", EXAMPLE.read_text(), flags=re.MULTILINE)

    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)


def test_the_example_states_the_defaults() -> None:
    uncommented = re.sub(r"^# (PUNTUALE_)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    Path(".env").write_text(uncommented)

    assert Settings() == Settings(_env_file=None)


def test_every_setting_of_the_example_is_explained() -> None:
    blocks = EXAMPLE.read_text().strip().split("\n\n")

    for block in blocks:
        assert re.search(r"^# .*\.$", [x for x in block.splitlines() if "PUNTUALE_" not in x][-1])


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PUNTUALE_PORT=9000\nPUNTUALE_LANGUAGE=en\n")
    monkeypatch.setenv("PUNTUALE_PORT", "9001")

    assert (Settings().port, Settings().language) == (9001, "en")


def test_keys_are_separated_by_commas_and_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUNTUALE_API_KEYS", "first-key, second-key,")

    assert [key.get_secret_value() for key in Settings().api_keys] == [
        "first-key",
        "second-key",
    ]
    assert "first-key" not in repr(Settings())


def test_mlflow_lives_in_the_home_folder_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings().mlflow_uri == f"sqlite:///{tmp_path / '.puntuale' / 'mlflow.db'}"

    monkeypatch.setenv("PUNTUALE_TRACKING_URI", "http://mlflow.example:5000")
    assert Settings().mlflow_uri == "http://mlflow.example:5000"


def test_reading_the_settings_makes_no_folder() -> None:
    assert Settings().scores_folder.exists() is False
    assert list(Path.cwd().iterdir()) == []


def test_a_source_that_is_read_and_pulled_is_refused() -> None:
    with pytest.raises(ValidationError, match="the same source"):
        Settings(_env_file=None, ledger="exports", pull_from="exports")
