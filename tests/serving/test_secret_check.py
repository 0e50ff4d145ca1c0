import pytest

from pipelines.settings import Settings
from serving.process import serve
from serving.secret_check import SecretRefused, require_secrets

GOOD = "a-long-enough-key"


def settings(**given) -> Settings:
    return Settings(_env_file=None, **({"api_keys": (), "database_url": None} | given))


@pytest.mark.parametrize("key", ["x", "changeme", "aaaaaaaaaaaaaaaaaaaa", "123456789012345"])
def test_f29_a_key_that_can_be_guessed_is_refused_by_its_place_and_not_repeated(key):
    with pytest.raises(SecretRefused, match="PUNTUALE_API_KEYS: key 2 of 2") as refused:
        serve(settings(api_keys=(GOOD, key)))
    assert key not in str(refused.value)


def test_f29_a_database_elsewhere_has_no_default_password():
    with pytest.raises(SecretRefused, match="PUNTUALE_DATABASE_URL") as refused:
        require_secrets(settings(database_url="postgresql://puntuale:Changeme@db.example.com/x"))
    assert "hangeme" not in str(refused.value)
    require_secrets(settings(database_url="postgresql://postgres:postgres@127.0.0.1/x"))


def test_f29_a_file_of_secrets_that_everybody_may_read_is_refused(tmp_path):
    env = tmp_path / ".env"
    env.write_text(f"PUNTUALE_LANGUAGE=it\nexport PUNTUALE_API_KEYS={GOOD}\n")
    env.chmod(0o644)
    with pytest.raises(SecretRefused, match="chmod 600") as refused:
        require_secrets(settings(), env_file=env)
    assert GOOD not in str(refused.value)

    env.chmod(0o640)
    require_secrets(settings(), env_file=env)
    env.write_text("PUNTUALE_LANGUAGE=it\n")
    env.chmod(0o644)
    require_secrets(settings(), env_file=env)


def test_f29_all_faults_are_told_at_once():
    far = "postgresql://puntuale:secret@db.example.com/x"
    with pytest.raises(SecretRefused, match="key 1 of 2.*key 2 of 2.*DATABASE_URL"):
        require_secrets(settings(api_keys=("x", "y"), database_url=far))


def test_f29_a_tenants_password_is_looked_at_as_any_other(tmp_path):
    file, far = tmp_path / "tenants.toml", "postgresql://u:{}@db.example.com/x"
    file.write_text(f'[rossi]\ndatabase_url = "{far.format("postgres")}"\n')
    with pytest.raises(SecretRefused, match="tenant rossi: PUNTUALE_DATABASE_URL.*chmod 600"):
        require_secrets(settings(home=tmp_path))
    file.write_text(f'[rossi]\ndatabase_url = "{far.format("7hGq2-long")}"\n')
    file.chmod(0o600)
    require_secrets(settings(home=tmp_path))


def test_good_secrets_are_let_through():
    require_secrets(settings(api_keys=(GOOD,)))
