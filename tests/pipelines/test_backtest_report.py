"""The back-test's report: its figures agree with plain ones, and its page needs nothing else."""

import json
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from models import metrics
from models.late_payment import LatePaymentModel
from pipelines import backtest, backtest_page, backtest_report, judged, leak_check, synthetic
from pipelines.backtest import CURVE, OURS, Backtest
from pipelines.backtest_report import Told
from pipelines.job import day_number
from pipelines.leak_check import LeakVerdict
from pipelines.ledger import Ledger

ORIGINS = [day_number(date(2026, 1, 15)), day_number(date(2026, 3, 1))]
VERDICT = LeakVerdict(ORIGINS[0], 100, same_model=True, different_rows=0)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return synthetic.generate(customers=15, months=18, seed=9)[0]


@pytest.fixture(scope="module")
def replayed(ledger: Ledger) -> Backtest:
    return backtest.run(ledger, ORIGINS)


@pytest.fixture(scope="module")
def told(replayed: Backtest, ledger: Ledger) -> Told:
    return backtest_report.figures(replayed, ledger, leak=VERDICT)


def test_figures_are_the_plain_ones(told: Told, replayed: Backtest, ledger: Ledger) -> None:
    rows = judged.judged(replayed.predictions, ledger)
    assert {(c["test"], c["horizon"]) for c in told["probabilities"]} >= {
        ("issue", 0),
        ("portfolio", 0),
        ("portfolio", 30),
    }
    for cell in told["probabilities"]:
        at = backtest_report.HORIZONS_DAYS.index(cell["horizon"])
        here = (rows.test == cell["test"]) & ~np.isnan(rows.came[:, at])
        y = rows.came[here, at]
        assert cell["rows"] == here.sum()
        for who in (OURS, CURVE):
            p, found = rows.said[who][here, at], cell["answerers"][judged.ANSWERERS[who]]
            for name in ("log_loss", "brier", "auc", "calibration_error"):
                plain = getattr(metrics, name)(y, p)
                if not np.isnan(plain):
                    assert found[name]["value"] == pytest.approx(plain, abs=2e-6)


def test_every_interval_holds_its_figure_and_the_same_seed_gives_it_again(
    told: Told, replayed: Backtest, ledger: Ledger
) -> None:
    for cell in (*told["probabilities"], *told["dates"]):
        for figures in cell["answerers"].values():
            for name, figure in figures.items():
                if figure["low"] is not None and name != "calibration_error":
                    assert figure["low"] - 0.02 <= figure["value"] <= figure["high"] + 0.02
    assert backtest_report.figures(replayed, ledger, leak=VERDICT) == told


def test_segments_add_up_to_the_whole(told: Told) -> None:
    whole = {(c["test"], c["horizon"]): c["rows"] for c in told["probabilities"]}
    for (test, horizon), rows in whole.items():
        mine = [
            s["rows"]
            for s in told["segments"]
            if (s["by"], s["test"], s["horizon"]) == ("origin", test, horizon)
        ]
        assert rows - 2 * backtest_report.LEAST_ROWS < sum(mine) <= rows


def test_cash_is_told_for_each_origin_and_week(told: Told) -> None:
    weeks = told["cash"]["weeks"]
    assert len(weeks) == 8 * len(ORIGINS)
    for week in weeks:
        assert 0 <= week["low_cents"] <= week["expected_cents"] * 1.5
        assert week["low_cents"] <= week["high_cents"]
    cash = told["cash"]
    assert 0 <= cash["coverage_low"] < cash["coverage"] < cash["coverage_high"] <= 1
    assert cash["covered"] == sum(week["covered"] is True for week in weeks)
    assert sum(week["expected_cents"] for week in weeks[:8]) <= weeks[0]["open_cents"]


def test_a_correction_of_the_base_rate_is_judged_and_the_page_says_how_it_did(told: Told) -> None:
    page = backtest_page.page(told)

    assert {v["test"] for v in told["base_rate"]["verdicts"]} <= {"issue", "portfolio"}
    assert "Would a correction of the base rate have helped?" in page
    none = {"corrections": [], "verdicts": []}
    assert "nothing was learned" in backtest_page.page({**told, "base_rate": none})


class Tags(HTMLParser):
    """Which tags stand in a page, and all that they point to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_nothing_else(told: Told, tmp_path: Path) -> None:
    page, figures = backtest_page.publish(told, tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.links == []
    assert not {"script", "link", "img", "iframe"} & set(tags.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "nan" not in re.sub(r"<[^>]*>", " ", text).lower().split()
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert json.loads(figures.read_text(encoding="utf-8")) == json.loads(json.dumps(told))


def test_the_page_says_how_the_leak_test_ended(told: Told) -> None:
    for verdict, words in (
        (VERDICT, "Nothing changed by a bit"),
        (LeakVerdict(ORIGINS[0], 100, same_model=True, different_rows=3), "3 of 100"),
        (None, "It was not run"),
    ):
        leak = None
        if verdict is not None:
            leak = {**vars(verdict), "passed": verdict.passed}
        assert words in backtest_page.page({**told, "leak_test": leak})


def test_another_future_changes_nothing(ledger: Ledger, replayed: Backtest) -> None:
    verdict = leak_check.check(ledger, replayed.predictions, replayed.models[0], origin=ORIGINS[0])
    assert verdict.passed
    assert verdict.rows > 30


def test_a_planted_leak_is_caught(
    ledger: Ledger, replayed: Backtest, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = backtest.predict

    def peeking(ledger: Ledger, model: LatePaymentModel, *, origin: int) -> object:
        return honest(ledger, model, origin=origin + 1)

    told = peeking(ledger, replayed.models[0], origin=ORIGINS[0])
    at = told.schema.get_field_index("cut")  # type: ignore[attr-defined]
    told = told.set_column(at, "cut", replayed.predictions["cut"][: told.num_rows])  # type: ignore[attr-defined]
    monkeypatch.setattr(backtest, "train", lambda *_, **__: replayed.models[0])
    verdict = leak_check.check(ledger, told, replayed.models[0], origin=ORIGINS[0])
    assert not verdict.passed
