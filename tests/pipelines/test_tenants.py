from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pipelines import night, tenants
from pipelines.job import Job
from pipelines.night import Night
from pipelines.records import alerts, audit, ledger_rows, replies
from pipelines.records.audit import Writer
from pipelines.records.database import RecordsAway, open_database
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from pipelines.tenant_tables import TenantsRefused
from pipelines.tenants import SomeTenantsFailed
from tests import databases, small_company, two_tenants
from tests.small_company import AS_OF

AT = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)


def shared(home: Path, **given: object) -> Settings:
    return Settings(_env_file=None, home=home, **given)  # type: ignore[call-arg, arg-type]


def listed(home: Path, text: str) -> Settings:
    (home / "tenants.toml").write_text(text, encoding="utf-8")
    return shared(home)


def the_night(settings: Settings) -> Night:
    return night.run(Job.of(settings, at=AT, as_of=AS_OF))


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", "A", "rossi spa", "-a", "a-", "a_b", "é", "a" * 33, "a\n"]
)
def test_a_name_that_could_lead_elsewhere_is_refused_and_nothing_is_made(tmp_path, name):
    settings = shared(tmp_path)
    with pytest.raises(TenantsRefused, match="a tenant's name must be"):
        tenants.add(settings, name, {})
    with pytest.raises(TenantsRefused):
        tenants.settings_of(settings, name)
    assert list(tmp_path.iterdir()) == []


def test_what_gives_another_companys_data_or_mail_is_never_taken_over(tmp_path):
    settings = shared(
        tmp_path,
        ledger="/srv/ours",
        mapping="ibm",
        pull_from="postgresql://erp/ours",
        api_keys=("a-key-of-the-installation",),
        smtp_url="smtp://mail",
        mail_from="p@example.com",
        mail_to=("ours@example.com",),
        mail_report=True,
        artifact_root="s3://models",
        language="en",
    )
    rossi = tenants.add(settings, "rossi", {"currency": "USD"})

    assert (rossi.ledger, rossi.mapping, rossi.pull_from) == ("records", None, None)
    assert (rossi.api_keys, rossi.smtp_url, rossi.mail_to) == ((), None, ())
    assert rossi.home == tmp_path / "tenants" / "rossi"
    assert (rossi.artifact_root, rossi.model_name) == ("s3://models/rossi", "puntuale-rossi")
    assert (rossi.language, rossi.currency) == ("en", "USD")


def test_every_fault_of_the_file_is_told_at_once(tmp_path):
    settings = listed(tmp_path, 'rossi = 1\n[verdi]\nport = 1\nledgr = "x"\n[Bianchi]\n')
    with pytest.raises(TenantsRefused) as refused:
        tenants.names(settings)
    for told in ("rossi must be a table", "port: only for", "ledgr: no such", "'Bianchi'"):
        assert told in str(refused.value)


def test_a_bad_value_names_its_tenant_and_repeats_no_secret(tmp_path):
    settings = listed(tmp_path, '[rossi]\ndatabase_url = "postgresql://u:pw1234@h/d"\nport = 1\n')
    with pytest.raises(TenantsRefused) as refused:
        tenants.every(settings)
    settings = listed(tmp_path, '[rossi]\npull_from = "postgresql://u:pw1234@h/d"\ncurrency = "x"')
    with pytest.raises(TenantsRefused, match="tenant rossi: currency") as of_value:
        tenants.every(settings)
    assert "pw1234" not in str(refused.value) + str(of_value.value)


def test_two_tenants_never_share_their_records(tmp_path):
    text = '[{}]\ndatabase_url = "postgresql://{}@db/one"\n'
    settings = listed(tmp_path, text.format("rossi", "ann") + text.format("bianchi", "bob"))
    with pytest.raises(TenantsRefused, match="rossi and bianchi have the same database_url"):
        tenants.every(settings)


def test_a_table_is_added_below_what_people_wrote_and_a_bad_one_changes_nothing(tmp_path):
    settings = listed(tmp_path, '# our first\n[rossi]\nlanguage = "en"\n')
    tenants.add(settings, "bianchi", {"ledger": 'a "quoted" \\ name'})
    text = settings.tenants_file.read_text(encoding="utf-8")
    assert text.startswith('# our first\n[rossi]\nlanguage = "en"\n')
    assert tenants.settings_of(settings, "bianchi").ledger == 'a "quoted" \\ name'

    for name, table in {"bianchi": {}, "verdi": {"currency": "euro"}, "neri": {"hom": "x"}}.items():
        with pytest.raises(TenantsRefused):
            tenants.add(settings, name, table)
    assert settings.tenants_file.read_text(encoding="utf-8") == text
    assert sorted(path.name for path in (tmp_path / "tenants").iterdir()) == ["bianchi"]


def test_what_a_former_tenant_left_is_nobodys(tmp_path):
    (tmp_path / "tenants" / "rossi").mkdir(parents=True)
    with pytest.raises(TenantsRefused, match="is there already"):
        tenants.add(shared(tmp_path), "rossi", {})


def test_the_environment_names_the_tenant(tmp_path, monkeypatch):
    monkeypatch.setenv("PUNTUALE_HOME", str(tmp_path))
    listed(tmp_path, '[rossi]\ncurrency = "USD"\n')
    monkeypatch.setenv("PUNTUALE_TENANT", "rossi")
    assert (Settings().home, Settings().currency) == (tmp_path / "tenants" / "rossi", "USD")
    monkeypatch.setenv("PUNTUALE_TENANT", "verdi")
    with pytest.raises(TenantsRefused, match=r"one of \['rossi'\]"):
        Settings()


@pytest.mark.parametrize("kind", databases.BOTH)
def test_each_has_its_night_and_nothing_of_the_other_and_a_broken_one_stops_nobody(kind, tmp_path):
    with ExitStack() as stack:
        url = stack.enter_context(databases.whole()) if kind == "postgresql" else None
        settings = two_tenants.installation(tmp_path / "home", database_url=url)
        every = tenants.every(settings)
        for own in every.values():
            small_company.crowned(own)

        outcomes = list(tenants.each(every, the_night))
        assert [outcome.fault for outcome in outcomes] == [None, None]
        ids = {name: _ids(own) for name, own in every.items()}
        assert {i.startswith(two_tenants.OTHERS_MARK) for i in ids["bianchi"]} == {True}
        assert {i.startswith(two_tenants.OTHERS_MARK) for i in ids["rossi"]} == {False}
        assert {i.removeprefix(two_tenants.OTHERS_MARK) for i in ids["bianchi"]} == ids["rossi"]

        (broken := tmp_path / "broken").mkdir()
        pq.write_table(pa.table({"nonsense": [1]}), broken / "invoices.parquet")
        every["rossi"] = every["rossi"].model_copy(update={"ledger": str(broken)})
        first, second = tenants.each(every, the_night)
        assert first.fault is not None
        assert second.told is not None
        assert ScoreStore(every["bianchi"].scores_folder).current_name() == second.told.snapshot


@pytest.mark.postgres
def test_on_one_server_no_company_waits_for_what_another_writes(tmp_path: Path) -> None:
    with databases.whole() as url:
        settings = shared(tmp_path, database_url=url)
        rossi, bianchi = (
            tenants.open_records(tenants.add(settings, name, {})) for name in two_tenants.NAMES
        )

        def write(connection: sa.Connection) -> None:
            connection.execute(sa.text("SET LOCAL lock_timeout = 10"))
            assert replies.given(connection, replies.Asked("ERP", "one-key", "digest")) is None
            ledger_rows.put(connection, "customers", [], at=AT)
            audit.note(connection, Writer("test", AT), "test", "1")

        with rossi.writing() as first, bianchi.writing() as second:
            write(first)
            write(second)  # while the first holds all it has asked for
        with rossi.writing() as first:
            write(first)
            with pytest.raises(RecordsAway), rossi.writing() as second:
                write(second)
        for database in (rossi, bianchi):
            database.close()


def _ids(own: Settings) -> set[str]:
    """Every id that the night has left for readers: in its scores, its lists and its alerts."""
    snapshot = ScoreStore(own.scores_folder).current()
    assert snapshot is not None
    scores = snapshot.scores()
    with closing(open_database(own.records_url)) as database, database.reading() as connection:
        told = alerts.page(connection, today=AS_OF, limit=1000)
    assert told
    return {
        *scores["invoice_id"].to_pylist(),
        *scores["customer_id"].to_pylist(),
        *(row["customer_id"] for row in told),
    }


def test_the_flow_works_for_each_and_says_at_the_end_who_failed(tmp_path, monkeypatch):
    from pipelines import nightly

    settings = two_tenants.installation(tmp_path)
    told = []

    def of_company(own: Settings, **_: object) -> str:
        if own.tenant == "rossi":
            raise ConnectionError("postgresql://user:secret@db")
        return f"night of {own.tenant}"

    monkeypatch.setattr(nightly, "Settings", lambda: settings)
    monkeypatch.setattr(nightly, "of_company", of_company)
    monkeypatch.setattr(nightly.night_failed, "tell", lambda own, *_, **__: told.append(own.tenant))
    with pytest.raises(SomeTenantsFailed, match=r"1 of 2 tenants failed: rossi: ConnectionError$"):
        nightly.nightly.fn()
    assert told == ["rossi"]
    with pytest.raises(ValueError, match="one company's"):
        nightly.nightly.fn(ledger="/srv/one")

    monkeypatch.setattr(nightly, "of_company", lambda own, **_: own.tenant)
    assert nightly.nightly.fn() == {"rossi": "rossi", "bianchi": "bianchi"}
