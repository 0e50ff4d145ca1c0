"""A first-time user's jobs in a browser, each in at most three clicks from `/`; axe's verdict.

On an invented company with a real night; scripts on, and where said off.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines import night
from pipelines.job import Job
from pipelines.records import ledger_rows
from pipelines.records.database import open_database
from serving.app import create_app
from tests import small_company
from tests.live import listening
from tests.small_company import AS_OF

AXE = Path(__file__).parents[2] / "build/clients/node/node_modules/axe-core/axe.min.js"
PAGES = ("/", "/?view=invoices", "/customers/{customer}", "/alerts", "/quarantine", "/portfolio")
PAGES = (*PAGES, "/model", "/model/card")

# the sum of what moved by itself since the page began to load
SHIFTS = """new Promise(done => {
  let sum = 0;
  new PerformanceObserver(list => list.getEntries().forEach(each => { sum += each.value }))
    .observe({type: 'layout-shift', buffered: true});
  setTimeout(() => done(sum), 100);
})"""

pytestmark = [pytest.mark.browser, *small_company.QUIET_MLFLOW]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    settings = small_company.settings(tmp_path_factory.mktemp("browsed"))
    small_company.crowned(settings)
    folder = str(small_company.ledger_folder())
    night.run(Job.of(settings, at=datetime(2026, 7, 1, 2, tzinfo=UTC), ledger=folder, as_of=AS_OF))
    return settings


@pytest.fixture(scope="module")
def address(settings):
    with listening(create_app(settings, today=lambda: AS_OF)) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture
def visit(browser, address):
    contexts, complaints = [], []

    def open_page(path="/", *, language="en-GB", bypass=False, **given):
        context = browser.new_context(locale=language, bypass_csp=bypass, **given)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    usual = ("404", "ERR_FAILED")  # what a test asks for in vain, or does not let through
    assert [text for text in complaints if not any(each in text for each in usual)] == []


def promises(settings):
    database = open_database(settings.records_url)
    with database.reading() as connection:
        found = ledger_rows.read_tables(connection)
    database.close()
    return found["promises"].table.to_pylist() if "promises" in found else []


def test_the_riskiest_customer_and_why_in_one_click(visit):
    page = visit("/?sort=risk")
    row = page.locator(".worklist tbody tr").first
    assert row.locator(".why p").inner_text()
    row.locator("th a").click()  # 1
    assert page.get_by_role("heading", name="Why this probability").is_visible()
    assert page.get_by_role("heading", name="How it pays").is_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_promise_is_recorded_in_two_clicks(visit, settings, scripts):
    before = len(promises(settings))
    page = visit("/", java_script_enabled=scripts)
    row = page.locator(".worklist tbody tr").nth(1 if scripts else 2)
    name = row.locator("th a").inner_text()
    row.get_by_text("More", exact=True).click()  # 1
    row.get_by_role("button", name="Record").first.click()  # 2
    page.wait_for_load_state()
    marked = page.locator(".worklist tbody tr.marked", has_text=name)
    assert "Promised for 8 July 2026" in marked.inner_text()
    assert len(promises(settings)) > before


def test_next_weeks_cash_and_its_range_in_one_click(visit):
    page = visit("/")
    page.get_by_role("link", name="Portfolio").click()  # 1
    said = page.locator(".lead").inner_text()
    expected, low, high = (
        float(amount.replace(",", "")) for amount in re.findall(r"€([\d,]+)", said)
    )
    assert low < expected < high


def test_a_slider_answers_at_once_and_the_button_does_without_scripts(visit):
    customer = visit("/").locator(".worklist tbody th a").first.get_attribute("href")
    page = visit(customer)
    page.locator("#more-days").evaluate(
        "slider => { slider.value = 30; slider.dispatchEvent(new Event('input', {bubbles: true})) }"
    )
    page.locator("#what-if-answer table").wait_for()
    assert page.locator("#what-if-answer[aria-busy]").count() == 0
    page.route("**only=what-if**", lambda asked: asked.abort())
    page.locator("#instalments").press("ArrowRight")
    page.get_by_text("The service does not answer").wait_for()
    plain = visit(customer, java_script_enabled=False)
    plain.locator("#instalments").press("ArrowRight")
    plain.get_by_role("button", name="Ask").click()
    assert plain.locator("#what-if-answer table").count() == 1


def test_an_alert_is_acknowledged_in_two_clicks_and_put_off_in_three(visit):
    page = visit("/")
    page.get_by_role("link", name="Alerts").click()  # 1
    alerts = page.locator(".worklist tbody tr")
    before, first = alerts.count(), alerts.first.get_attribute("id")
    alerts.first.get_by_role("button", name="Acknowledge").click()  # 2
    page.wait_for_load_state()
    assert page.locator(f"#{first}").count() == 0
    page.get_by_role("link", name="Acknowledged").click()
    page.locator(f"#{first}").get_by_text("Put off until").first.click()
    page.locator(f"#{first} input[name=until]").fill("2026-07-20")
    page.locator(f"#{first}").get_by_role("button", name="Record").click()
    page.get_by_role("link", name="Put off", exact=True).click()
    assert "until 20 July 2026" in page.locator(f"#{first}").inner_text()
    page.get_by_role("link", name="Open", exact=True).click()
    assert alerts.count() == before - 1


def test_a_draft_is_copied_as_it_stands(visit):
    customer = visit("/").locator(".worklist tbody th a").first.get_attribute("href")
    page = visit(f"{customer}?draft=reminder_1", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copy ✓").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#letter").text_content()
    assert "invoice" in copied


def test_the_list_is_walked_by_keys_alone(visit):
    page = visit("/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator(".worklist tbody tr").nth(1)
    assert second.evaluate("row => row === document.activeElement")
    page.keyboard.press("/")
    page.keyboard.type("s.r.l")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=s.r.l**")
    page.keyboard.press("?")
    assert page.get_by_text("opens More").is_visible()
    page.keyboard.press("j")
    page.keyboard.press("m")
    page.keyboard.press("Escape")
    row = page.locator(".worklist tbody tr").first
    assert row.locator("details.more[open] input[name=promised_date]").is_visible()
    page.keyboard.press("d")
    assert row.get_by_role("button", name="Done").evaluate("e => e === document.activeElement")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/customers/**")


def test_a_view_is_kept_in_the_browser_and_forgotten_again(visit):
    page = visit("/?band=critical")
    page.on("dialog", lambda dialog: dialog.accept("the worst"))
    page.get_by_role("button", name="Save this view").click()
    page.goto(page.url.split("?")[0])
    page.get_by_role("link", name="the worst").click()
    assert "band=critical" in page.url
    page.get_by_role("button", name="Forget the view: the worst").click()
    assert page.get_by_role("link", name="the worst").count() == 0


def axe_faults(page, path, options):
    verdict = page.evaluate(f"axe.run({{resultTypes: ['violations'], {options}}})")
    return [
        f"{path}: {fault['id']} ({fault['impact']}) {node['target']}"
        for fault in verdict["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"][:3]
    ]


@pytest.mark.clients
def test_axe_finds_nothing_serious(visit):
    if not AXE.exists():
        pytest.skip("needs axe-core: make clients")
    page = visit("/", bypass=True, color_scheme="light")
    home = page.url.rstrip("/")
    customer = page.locator(".worklist tbody th a").first.get_attribute("href").rsplit("/")[-1]
    found = []
    for path in (*PAGES, "/nothing"):
        page.goto(home + path.format(customer=customer))
        for details in page.locator("details").all()[:3]:
            details.evaluate("each => { each.open = true }")
        page.add_script_tag(path=AXE)
        page.emulate_media(color_scheme="light")
        found += axe_faults(page, path, "")
        page.emulate_media(color_scheme="dark")  # other colours, and nothing else
        found += axe_faults(page, f"{path} in the dark", "runOnly: ['color-contrast']")
    assert found == []


def test_the_first_view_is_light(visit):
    page = visit("/")
    sent = page.evaluate(
        "[...performance.getEntriesByType('navigation'), "
        "...performance.getEntriesByType('resource')]"
        ".map(each => [each.transferSize, each.decodedBodySize])"
    )
    assert len(sent) >= 4  # the page, its style, its script, its mark
    assert sum(size for size, _ in sent) < 60_000
    assert sum(size for _, size in sent) < 100_000, "unpacked"


def test_nothing_sticks_out_and_nothing_jumps(visit):
    page = visit("/", viewport={"width": 360, "height": 800})
    home = page.url.rstrip("/")
    customer = page.locator(".worklist tbody th a").first.get_attribute("href").rsplit("/")[-1]
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for path in PAGES:
            page.goto(home + path.format(customer=customer))
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.evaluate(SHIFTS) < 0.05, path


def test_the_printed_list_has_no_forms(visit):
    page = visit("/")
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible()
    assert not page.locator(".do").first.is_visible()
    assert page.locator(".worklist tbody tr").first.is_visible()
    assert page.locator(".worklist thead th").first.is_visible()
