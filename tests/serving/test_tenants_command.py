import json
import os

import pytest

from pipelines import synthetic, tenants
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from serving import cli, tenants_command
from serving.cli import main
from tests import small_company, two_tenants


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    for name in [name for name in os.environ if name.startswith("PUNTUALE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PUNTUALE_HOME", str(tmp_path / "home"))

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["puntuale", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return call


def test_a_company_is_added_with_a_key_shown_once_and_listed(run, tmp_path):
    code, out, _ = run("tenants", "add", "rossi", "--currency", "USD", "--json")
    made = json.loads(out)
    assert code == 0
    assert made["home"] == str(tmp_path / "home" / "tenants" / "rossi")
    run("tenants", "add", "bianchi", "--set", "language=en", "--set", "holdout_share=0.1")
    assert run("tenants", "add", "bianchi")[0] == 1
    assert run("tenants", "add", "verdi", "--set", "currency")[0] == 2

    code, out, _ = run("tenants", "list", "--json")
    assert [(row["tenant"], row["currency"], row["keys"]) for row in json.loads(out)] == [
        ("rossi", "USD", 1),
        ("bianchi", "EUR", 1),
    ]
    assert made["key"] not in out
    settings = tenants.settings_of(Settings(), "bianchi")
    assert (settings.language, settings.holdout_share) == ("en", 0.1)


def test_a_command_about_one_company_asks_which_and_keeps_to_it(run):
    run("tenants", "add", "rossi")
    run("tenants", "add", "bianchi")
    code, out, err = run("keys", "make", "ERP", "--scope", "read")
    assert (code, out) == (1, "")
    assert "puntuale --tenant NAME keys" in err
    assert run("--tenant", "nobody", "keys", "list")[0] == 1

    assert run("--tenant", "rossi", "keys", "make", "ERP", "--scope", "read")[0] == 0
    names = [
        [key["name"] for key in json.loads(run("--tenant", name, "keys", "list", "--json")[1])]
        for name in two_tenants.NAMES
    ]
    assert names == [["first of rossi", "ERP"], ["first of bianchi"]]
    assert "PUNTUALE_TENANT" not in os.environ


def test_a_night_goes_on_past_the_company_that_failed_and_the_exit_code_says_so(run, tmp_path):
    settings = two_tenants.installation(tmp_path / "home")
    every = tenants.every(settings)
    small_company.crowned(every["bianchi"])

    code, out, err = run("nightly", "--as-of", "2026-07-01")
    assert code == 1
    assert "rossi failed" in err
    assert "no model has been promoted yet" in err
    assert ScoreStore(every["rossi"].scores_folder).current_name() is None
    assert ScoreStore(every["bianchi"].scores_folder).current_name() is not None

    code, out, _ = run("nightly", "--as-of", "2026-07-01", "--json")
    told = json.loads(out)
    assert code == 1
    assert told["tenants"]["bianchi"]["is_new"] is False
    assert "no model" in told["failed"]["rossi"]
    assert run("--tenant", "bianchi", "overdue", "--as-of", "2026-07-01")[0] == 0
    assert run("overdue", "--as-of", "2026-07-01")[0] == 4
    assert run("nightly", str(small_company.ledger_folder()))[0] == 2


def test_the_prior_that_is_made_of_one_answers_for_another_and_says_so(run, tmp_path):
    settings = two_tenants.installation(tmp_path / "home")
    synthetic.write(settings.home / "sample", customers=20, months=12)  # a smaller one will do
    assert run("tenants", "prior", "--of", "bianchi")[0] == 1
    own = small_company.crowned(tenants.settings_of(settings, "bianchi"))
    code, out, _ = run("tenants", "prior", "--of", "bianchi", "--json")
    version = json.loads(out)["version"]
    assert code == 0

    code, out, _ = run("nightly", "--as-of", "2026-07-01", "--json")
    nights = json.loads(out)["tenants"]
    assert code == 0
    assert nights["rossi"]["model_version"] == version
    assert [nights[name]["model_source"] for name in two_tenants.NAMES] == ["shared_prior", "own"]
    listed = json.loads(run("tenants", "list", "--json")[1])
    assert [row["model"] for row in listed] == [version, own]
    assert "the shared prior answers" in run("--tenant", "rossi", "models")[1]
    assert "the shared prior answers" in run("nightly", "--as-of", "2026-07-01")[2]


def test_each_company_has_its_own_back_ups(run, tmp_path):
    two_tenants.installation(tmp_path / "home")
    assert run("backup", str(tmp_path / "disk"))[0] == 0
    made = sorted((tmp_path / "disk").glob("*/*/records.db"))
    assert [path.parent.parent.name for path in made] == ["bianchi", "rossi"]


def test_every_command_either_goes_round_or_asks():
    wrapped = {
        command.name or command.callback.__name__
        for command in cli.app.registered_commands
        if hasattr(command.callback, "__wrapped__")
    }
    assert wrapped == tenants_command.FOR_EACH
