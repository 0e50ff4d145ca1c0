import json

import pytest

from serving.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUNTUALE_HOME", str(tmp_path))

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["puntuale", "keys", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().out

    return call


def test_a_key_is_made_listed_replaced_and_ended(run):
    code, out = run("make", "ERP", "--scope", "read", "--scope", "score", "--json")
    made = json.loads(out)
    assert code in (0, None)
    listed = json.loads(run("list", "--json")[1])
    assert [(key["name"], key["scopes"], key["opens"]) for key in listed] == [
        ("ERP", "read score", True)
    ]
    assert made["key"] not in json.dumps(listed)

    replaced = json.loads(run("rotate", made["key_id"], "--hours", "0", "--json")[1])
    run("revoke", replaced["key_id"])
    assert [key["opens"] for key in json.loads(run("list", "--json")[1])] == [False, False]


def test_an_unknown_key_and_an_unknown_scope_are_told_in_words(run):
    assert run("revoke", "none")[0] not in (0, None)
    assert run("make", "ERP", "--scope", "root")[0] not in (0, None)
