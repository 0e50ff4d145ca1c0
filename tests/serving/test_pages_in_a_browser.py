import threading
import time

import pytest
import uvicorn

from serving.app import create_app

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg onload=alert(1)>",
    "{{7*7}} ${7*7}",
    "javascript:alert(1)",
    "\u202eoeruen S.r.l.",
    "Società Agricola Le Querce di Montepulciano e della Val d'Orcia S.c.a.r.l.",
    "W" * 300,
    "山田商事株式会社",
    "شركة النور للتجارة",
]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory, home_with):
    """A real server with one invoice for each hostile name."""
    home = home_with(
        tmp_path_factory.mktemp("browser"),
        [
            {"invoice_id": f"I-{i}", "customer_id": f"C-{i}", "customer_name": name}
            for i, name in enumerate(HOSTILE)
        ],
    )
    app = create_app(home.settings, score=home.score, today=lambda: home.as_of)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def visit(browser, address):
    """Opens a page and keeps what it complains about; nothing may be complained about."""
    contexts, complaints = [], []

    def open_page(path, *, language="en-GB", javascript=True):
        context = browser.new_context(
            viewport={"width": 1280, "height": 900},
            locale=language,
            java_script_enabled=javascript,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(address) else complaints.append(asked.url),
        )
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def test_hostile_names_are_read_and_not_run(visit):
    """A78."""
    page = visit("/")
    assert sorted(page.locator("tbody th a bdi").all_inner_texts()) == sorted(HOSTILE)
    for i, name in enumerate(HOSTILE[:5]):
        page.goto(page.url.partition("/customers")[0].rstrip("/") + f"/customers/C-{i}")
        assert page.locator("h1 bdi").inner_text() == name


def test_a_reversed_name_does_not_reverse_its_row(visit):
    """A81."""
    page = visit("/")
    row = page.locator("tbody tr", has_text="oeruen")
    assert row.locator("td.number .figure").inner_text() == "€4,235.00"
    name, amount = row.locator("th bdi").first, row.locator("td.number .figure")
    assert name.bounding_box()["x"] < amount.bounding_box()["x"]


def test_nothing_sticks_out_of_a_small_screen(visit):
    for path in ("/", "/customers/C-0", "/customers/C-7", "/?band=low", "/portfolio"):
        page = visit(path)
        for width in (1280, 900, 768, 360):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


def test_a_reader_without_scripts_filters_and_opens_a_customer(visit):
    page = visit("/", javascript=False, language="it-IT")
    page.locator("select[name=band]").select_option("high")
    page.get_by_role("button", name="Filtra").click()
    assert "band=high" in page.url
    page.get_by_role("link", name="山田商事株式会社").click()
    assert page.locator("h1 bdi").inner_text() == "山田商事株式会社"
    assert page.locator("details.invoice h3").first.text_content() == "Probabilità"


def test_the_language_can_be_switched(visit):
    page = visit("/", language="it-IT")
    page.get_by_role("link", name="English").click()
    assert page.locator("h1").inner_text() == "Worklist"


def test_the_documentation_works_offline(visit):
    page = visit("/docs")
    page.get_by_text("Score invoices from the history in the request").wait_for()
