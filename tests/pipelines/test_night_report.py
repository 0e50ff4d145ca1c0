import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from pipelines import night, night_page, night_report
from pipelines.job import Job
from pipelines.night_report import NightReports, NoSuchNight
from pipelines.records import alerts
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from tests import mail_sink, small_company
from tests.small_company import AS_OF

AT = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)
HOSTILE = '</td><script>alert("x")</script>&\u202e' + "😀" * 80


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two nights of the company, with collectors, and customers of hostile names."""
    root = tmp_path_factory.mktemp("root")
    ledger = root / "ledger"
    ledger.mkdir()
    for path in small_company.ledger_folder().iterdir():
        table = pq.read_table(path)
        if path.stem == "customers":
            rows = range(table.num_rows)
            given = {
                "name": [f"{HOSTILE} {at}" for at in rows],
                "collector": [None if at % 5 == 0 else f"<b>Anna {at % 3}" for at in rows],
            }
            for name, values in given.items():
                if name in table.column_names:
                    table = table.drop_columns([name])
                table = table.append_column(name, pa.array(values))
        pq.write_table(table, ledger / path.name)
    settings = Settings(_env_file=None, home=root / "home", ledger=str(ledger))
    small_company.crowned(settings)
    job = Job.of(settings, at=AT, as_of=AS_OF)
    night.run(replace(job, as_of=AS_OF - timedelta(days=7)))
    night.run(job)
    return settings


@pytest.fixture(scope="module")
def page(settings: Settings) -> str:
    return night_report.of_day(settings).read_text(encoding="utf-8")


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.loaded += [name for name, _ in attrs if name in ("src", "href", "action")]
        self.loaded += [name for name, _ in attrs if name.startswith("on")]


def test_a_report_needs_nothing_else_and_lets_no_name_become_markup(page: str) -> None:
    elements = _Elements()
    elements.feed(page)

    assert elements.loaded == []
    assert not {"script", "b", "link", "img", "iframe"} & set(elements.found)
    assert "&lt;script&gt;" in page
    assert "url(" not in page
    assert len(page.encode()) < 300_000


def test_it_tells_the_nights_own_figures(settings: Settings, page: str) -> None:
    store = ScoreStore(settings.scores_folder)
    snapshot = store.current()
    assert snapshot is not None
    told = night_report.tell(snapshot, store, records_url=settings.records_url)
    facts = snapshot.manifest["facts"]

    assert snapshot.name in page
    assert told["changes"]["before"] == AS_OF - timedelta(days=7)
    assert told["changes"]["new_invoices"] > 0
    assert told["alerts_count"] == len(alerts.raised_on(settings.records_url, AS_OF)) > 0
    planned = [row["customer_id"] for row in snapshot.plan(limit=15) if row["code"] != "wait"]
    assert [row["customer_id"] for row in told["contacts"]] == planned
    assert page.count('class="span"') == len(facts["forecast"]["weeks"])
    assert f"{facts['risk']['invoices']}" in page


def test_each_collector_finds_the_own_alerts_and_contacts(settings: Settings) -> None:
    store = ScoreStore(settings.scores_folder)
    snapshot = store.current()
    assert snapshot is not None
    told = night_report.tell(snapshot, store, records_url=settings.records_url)
    sections = told["collectors"]

    names = ["<b>Anna 0", "<b>Anna 1", "<b>Anna 2", None]
    assert [section["name"] for section in sections] == names
    assert sum(section["counts"][0] for section in sections) == told["alerts_count"]
    contacted = snapshot.manifest["facts"]["plan"]["contacted"]
    assert sum(section["counts"][1] for section in sections) == contacted
    for section in sections:
        rows = section["alerts"] + section["contacts"]
        assert {row["collector"] for row in rows} <= {section["name"]}


def test_many_collectors_of_hostile_names_stay_within_the_size() -> None:
    customers: dict[str, tuple[str | None, str | None]] = {
        str(at): (HOSTILE, f"{at % 90:02} {HOSTILE}") for at in range(9000)
    }
    alert = {"code": "delay_drift", "since": "2026-06-01", "value_cents": 1, "severity": "high"}
    contact = {"code": "call", "expected_value_cents": 1, "open_cents": 2, "risk_band": "high"}
    told = night_report._of_collectors(
        customers,
        [{**contact, "customer_id": str(at)} for at in range(9000)],
        [{**alert, "customer_id": str(at)} for at in range(9000)],
    )
    rows = sum(len(s["alerts"]) + len(s["contacts"]) for s in told["collectors"])

    assert (len(told["collectors"]), told["more_collectors"]) == (41, 50)
    assert 200 < rows <= night_report.ROWS_OF_ALL
    assert max(len(s["name"] or "") for s in told["collectors"]) <= night_report.NAME_CHARACTERS


def test_a_report_is_never_written_over_and_goes_with_its_night(
    settings: Settings, page: str, tmp_path: Path
) -> None:
    names = ScoreStore(settings.scores_folder).names()
    path = NightReports(settings.reports_folder).path(names[-1])
    before = path.stat()
    night.run(Job.of(settings, at=AT + timedelta(hours=5), as_of=AS_OF))
    assert path.stat() == before

    path.unlink()
    assert night_report.of_day(settings, AS_OF).read_text(encoding="utf-8") == page
    assert not NightReports(settings.reports_folder).keep(names[-1], "other")

    reports = NightReports(tmp_path / "reports")
    assert [reports.keep(name, "page") for name in names] == [True, True]
    assert reports.thin(keep=names[1:]) == names[:1]
    assert reports.path(names[1]).exists()


def test_the_report_is_mailed_once_and_a_server_that_is_away_costs_nothing(
    settings: Settings, page: str
) -> None:
    name = ScoreStore(settings.scores_folder).current_name() or ""
    path = NightReports(settings.reports_folder).path(name)
    given = {"mail_from": "a@example.com", "mail_to": ("b@example.com",), "mail_report": True}
    with mail_sink.listening() as sink:
        mailing = settings.model_copy(update={**given, "smtp_url": SecretStr(sink.url.format(""))})
        path.unlink()
        for _ in range(2):
            assert night_report.of_night(mailing, name) == path
    (message,) = sink.mails
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == path.name

    path.unlink()
    assert night_report.of_night(mailing, name) == path  # the server has gone
    assert path.exists()


def test_a_day_without_a_night_has_no_report(settings: Settings) -> None:
    with pytest.raises(NoSuchNight, match="2020-01-01"):
        night_report.of_day(settings, date(2020, 1, 1))


def test_both_languages_have_the_same_words_and_the_page_speaks_one(settings: Settings) -> None:
    italian, english = night_page.words_of("it"), night_page.words_of("en")
    store = ScoreStore(settings.scores_folder)
    snapshot = store.current()
    assert snapshot is not None
    told = night_report.tell(snapshot, store, records_url=settings.records_url)
    page = night_page.page(told, settings.model_copy(update={"language": "en"}))

    assert _shape(italian) == _shape(english)
    assert '<html lang="en">' in page
    assert english["forecast"] in page
    assert italian["forecast"] not in page


def _shape(words: object) -> object:
    """Names and places of a table of words."""
    if isinstance(words, dict):
        return {name: _shape(inside) for name, inside in words.items()}
    return sorted(re.findall(r"\{(\w+)\}", str(words)))
