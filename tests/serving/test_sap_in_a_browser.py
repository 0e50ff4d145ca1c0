"""The same jobs on the real items: customers without names, odd amounts, no limits, no contacts."""

import re
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models import bundle
from pipelines import night, sources
from pipelines.job import Job, day_number
from pipelines.learning import USUAL
from pipelines.settings import Settings
from serving.app import create_app
from tests.live import listening

AS_OF = date(2018, 9, 15)
AFTER = datetime(2019, 12, 31, 2, tzinfo=UTC)  # the export's own day: all its payments are past
ONE_OF = 40  # customers taken

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def address(shared, tmp_path_factory):
    """A service on a night over a slice of the items, by a model that learned from it."""
    home = tmp_path_factory.mktemp("sap")
    items = pq.read_table(shared / "data/sap_items/items.parquet")
    (home / "items").mkdir()
    taken = pa.array(items["KUNNR"].to_numpy() % ONE_OF == 3)
    pq.write_table(items.filter(taken), home / "items" / "items.parquet")
    settings = Settings(_env_file=None, home=home / "home")
    job = Job.of(settings, at=AFTER, ledger=str(home / "items"), mapping="sap_items", as_of=AS_OF)
    ledger = sources.read(job.source, mapping=job.mapping, today=AFTER.date()).ledger
    files = home / "files"
    files.mkdir()
    USUAL.train(ledger, cut_off=day_number(AS_OF)).save(files)
    facts = {"cut_off": AS_OF.isoformat()}
    bundle.export(files, to=home / "made", version="sap", created_at="2018-09-15", facts=facts)
    bundle.install(home / "made", among=settings.models_folder)
    bundle.crown("sap", among=settings.models_folder)
    night.run(job)
    with listening(create_app(settings, today=lambda: AS_OF)) as (host, port):
        yield f"http://{host}:{port}"


@pytest.mark.parametrize(("language", "width"), [("it-IT", 360), ("en-GB", 1280)])
def test_the_three_jobs_are_done_in_three_clicks_each(browser, address, language, width):
    complaints = []
    context = browser.new_context(locale=language, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def fits(path=""):
        if path:
            page.goto(address + path)
        page.wait_for_load_state()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
        assert not re.search(r"\bnan\b|\bNone\b(?!\.)", page.locator("main").inner_text())

    fits("/?sort=risk")
    page.locator(".worklist tbody tr th a").first.click()  # 1: who is riskiest, and why
    assert page.locator("details.invoice[open] .reasons .sum").is_visible()
    assert page.locator("svg.timeline").is_visible()
    page.locator("details.more summary").first.click()
    fits()

    fits("/")
    row = page.locator(".worklist tbody tr").nth(0 if width == 360 else 1)
    row.locator("details.more summary").click()  # 1
    row.locator("form[action$='/promise'] button").click()  # 2: a promise
    page.locator(".worklist tr.marked").first.wait_for()

    page.locator(".top nav a[href^='/portfolio']").click()  # 1: next week's cash and its range
    assert len(re.findall(r"\d[\d.,]*", page.locator(".lead").inner_text())) >= 3
    fits()
    for path in ("/?view=invoices", "/model", "/alerts", "/quarantine"):
        fits(path)
    context.close()
    assert complaints == []
