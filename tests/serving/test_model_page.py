import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from models import bundle, looked_at
from models.looked_at import Column, LookedAt
from models.metrics import Bin
from models.time_ahead import TIME_FEATURES
from pipelines import verdict_words, version_history
from pipelines.features import BOOK
from pipelines.settings import Settings
from serving import pictures
from serving.model_info import Calibration, ModelInfo
from tests import small_company

LANGUAGES = ("it", "en")
REASON = verdict_words.say("skill", value="0.837", low="0.8", high="0.9", horizon="p_late_30")
ADDRESSES = {
    "mlflow_address": "https://mlflow.example/",
    "prefect_address": "https://flows.example",
}


@pytest.fixture
def with_model(serve, row, tmp_path):
    """A service whose model kept what it looks at, its card and its history."""
    settings = Settings(_env_file=None, home=tmp_path)
    files = tmp_path / "files"
    files.mkdir()
    made = small_company.trained_bundle()
    for name in bundle.check(made).files:
        (files / name).write_bytes((made / name).read_bytes())
    (files / bundle.CARD).write_text("# Model\n\n**Not** for <b>consumers</b>\n")
    model = bundle.load(made).model
    kept = looked_at.kept(looked_at.explained(model), {"p_late_30": [Bin(10, 0.25, 0.5)]})
    (files / bundle.LOOKED_AT).write_text(looked_at.text(kept))
    metrics = {
        f"{who}.issue.log_loss.p_late_30": v
        for who, v in (("challenger", 0.25), ("customer_curve", 0.5))
    }
    facts = {
        "cut_off": "2026-07-01",
        "promoted": True,
        "verdict": [REASON],
        "metrics": metrics | {"challenger.issue.rows.p_late_30": 321.0},
    }
    version = "2026-07-01-0123456789"
    bundle.export(
        files,
        to=settings.models_folder / version,
        version=version,
        created_at="2026-07-01T02:00:00",
        facts=facts,
    )
    bundle.crown(version, among=settings.models_folder)
    noted = {
        "number": "2",
        "version": version,
        "aliases": ["champion"],
        "cut_off": "2026-07-01",
        "verdict": "promoted",
        "why": REASON,
    }
    refused = noted | {
        "number": "1",
        "version": "2026-06-01-0000000000",
        "aliases": [],
        "verdict": "not promoted",
        "why": "loses",
        "cut_off": "2026-06-01",
    }
    again = noted | {"number": "0", "aliases": []}  # trained twice on the same ledger
    version_history.write(settings.models_folder, [noted, refused, again])
    return serve([row()], **ADDRESSES)


def test_the_model_says_what_it_looks_at_how_reliable_it_was_and_what_came_before(with_model):
    answer = with_model.get("/v1/model?lang=en").json()
    ModelInfo.model_validate(answer)

    assert len(answer["looks_at"]) == looked_at.COLUMNS_KEPT
    assert all(fact["odds"] >= 1 for fact in answer["looks_at"])
    assert answer["reliability"] == {
        "p_late_30": [{"rows": 10, "predicted": 0.25, "observed": 0.5}]
    }
    assert [v["answers"] for v in answer["versions"]] == [True, False, False]
    assert answer["card"].startswith("# Model")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_draws_it_all_in_words_and_pictures(with_model, language):
    page = with_model.get(f"/model?lang={language}").text
    for said in (
        "0,250" if language == "it" else "0.250",
        "321",
        "2026-06-01-0000000000",
        "Distingue i ritardi" if language == "it" else "Tells late from not late",
        "oltre 30 giorni" if language == "it" else "over 30 days",
        'href="https://mlflow.example/#/models/puntuale/versions/2"',
        'href="https://flows.example"',
    ):
        assert said in page, said
    pictures_told = re.findall(
        r'<svg class="(?:strip|plot)[^>]*role="img" aria-label="([^"]+)"', page
    )
    assert len(pictures_told) == 1 + looked_at.COLUMNS_KEPT + pictures.DEPENDENCES
    assert not set(BOOK) & set(re.findall(r"[a-z0-9]+(?:_[a-z0-9]+)+", " ".join(pictures_told)))
    for svg in re.findall(r"<svg class=\"(?:strip|plot).*?</svg>", page, re.S):
        ET.fromstring(svg)
        assert "nan" not in svg
    assert "style=" not in page
    assert page.count("<script") == 1  # our own


def test_the_card_is_text(with_model):
    page = with_model.get("/model/card?lang=en").text
    assert "**Not** for &lt;b&gt;consumers&lt;/b&gt;" in page


def test_without_a_model_the_page_says_so(client):
    page = client.get("/model?lang=en")
    assert page.status_code == 503
    assert "puntuale train" in page.text
    assert client.get("/model/card").status_code == 404


def test_a_model_of_which_nothing_is_kept_has_a_page(scorer):
    page = scorer.get("/model?lang=en")
    assert page.status_code == 200
    assert "What it looks at" not in page.text
    assert "Prefect" not in page.text  # nobody said where it is
    answer = scorer.get("/v1/model").json()
    assert (answer["looks_at"], answer["versions"], answer["card"]) == ([], [], None)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [*BOOK, *TIME_FEATURES])
def test_every_column_of_the_trees_has_a_name_for_people(name, language):
    label = pictures.feature_label(name, language)
    assert "_" not in label
    assert "{" not in label
    assert "…" in label
    assert label[0].isupper() or label[0] == "…"


NAN = float("nan")


@pytest.mark.parametrize(
    "values", [[NAN, NAN, NAN], [1.0, 1.0, 1.0], [NAN, 2.0, 2.0], [1e12, -1e12, 0.0]]
)
def test_odd_values_are_drawn_inside_their_box(values):
    drawn = LookedAt((Column("delay_mean", np.array(values), np.array([0.1, -3.0, 0.0])),), {})
    (strip,) = pictures.summary(drawn, "en")
    paths = list(strip["dots"].values())
    paths += [plot["dots"] for plot in pictures.dependence(drawn, "en", "EUR")]
    for x, y in re.findall(r"M([-\d.]+) ([-\d.]+)", " ".join(paths)):
        assert 0 <= float(x) <= pictures.STRIP_WIDTH
        assert 0 <= float(y) <= pictures.PLOT_HEIGHT


def test_a_higher_value_stands_higher_and_a_stronger_push_further_right():
    drawn = LookedAt((Column("delay_mean", np.array([1.0, 5.0]), np.array([-1.0, 2.0])),), {})
    dots = pictures.summary(drawn, "en")[0]["dots"]
    low, high = (
        re.fullmatch(r"M([\d.]+) ([\d.]+)h0", dots[shade]) for shade in ("shade0", "shade4")
    )
    assert float(low[1]) < pictures.STRIP_WIDTH / 2 < float(high[1])
    assert float(low[2]) > float(high[2])


def test_how_true_the_probabilities_were_is_told_with_the_mean_gap(with_model):
    told = with_model.get("/v1/model/calibration").json()
    Calibration.model_validate(told)
    group = {"rows": 10, "predicted": 0.25, "observed": 0.5}
    assert told["reliability"]["p_late_30"] == [group]
    assert told["mean_gap"]["p_late_30"] == 0.25
    assert told["cut_off"] == "2026-07-01"


def test_the_card_is_told_as_it_was_written(with_model):
    told = with_model.get("/v1/model/card").json()
    assert told["card"] == "# Model\n\n**Not** for <b>consumers</b>\n"


def test_without_a_model_or_a_card_there_is_nothing_to_tell(client, scorer):
    assert client.get("/v1/model/calibration").status_code == 503
    assert client.get("/v1/model/card").status_code == 503
    assert scorer.get("/v1/model/card").status_code == 404
