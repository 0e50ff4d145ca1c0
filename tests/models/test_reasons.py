import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models import movements, reasons, wording
from models.wording import Wording, points, quantity
from pipelines.features import BOOK

logits = st.floats(-30, 30)
contributions = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=logits)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@settings(deadline=None)
@given(st.floats(-8, 8), contributions)
def test_base_and_points_add_up_to_the_probability(base_logit, phi):
    p = sigmoid(base_logit + phi.sum(axis=1))
    base, shares = reasons.points(base_logit, phi, p)
    np.testing.assert_allclose(base + shares.sum(axis=1), p, rtol=0, atol=1e-12)


@settings(deadline=None)
@given(st.floats(-8, 8), contributions, st.floats(0, 1))
def test_they_add_up_even_when_the_probability_was_moved_afterwards(base_logit, phi, p):
    moved = np.full(len(phi), p)
    base, shares = reasons.points(base_logit, phi, moved)
    np.testing.assert_allclose(base + shares.sum(axis=1), moved, rtol=0, atol=1e-12)


def test_points_keep_the_proportions_of_the_contributions():
    phi = np.array([[1.0, -0.5, 0.25]])
    base_logit = -1.0
    p = sigmoid(base_logit + phi.sum(axis=1))
    base, shares = reasons.points(base_logit, phi, p)
    slope = (p[0] - sigmoid(base_logit)) / 0.75
    assert base == pytest.approx(0.2689414213699951)
    np.testing.assert_allclose(shares, phi * slope, atol=1e-15)


def test_where_contributions_cancel_the_slope_is_that_of_the_curve():
    base, shares = reasons.points(0.0, np.array([[2.0, -2.0]]), np.array([0.5]))
    assert base == 0.5
    np.testing.assert_allclose(shares, [[0.5, -0.5]])


def test_no_contribution_leaves_the_base():
    base, shares = reasons.points(-2.0, np.zeros((1, 3)), sigmoid(np.array([-2.0])))
    np.testing.assert_allclose(shares, 0, atol=1e-16)
    assert base == pytest.approx(sigmoid(-2.0))


@settings(deadline=None)
@given(contributions)
def test_top_and_everything_else_add_up_to_the_probability(phi):
    p = sigmoid(phi.sum(axis=1))
    base, shares = reasons.points(0.0, phi, p)
    top = reasons.top(base, shares, p)
    total = base + top.points.sum(axis=1) + top.everything_else
    np.testing.assert_allclose(total, p, rtol=0, atol=1e-12)
    sizes = np.abs(top.points)
    assert (np.diff(sizes, axis=1) <= 0).all()
    assert top.points.shape[1] == min(5, phi.shape[1])


def test_a_cause_without_points_is_no_reason():
    top = reasons.top(0.2, np.array([[0.0, 0.3, 0.0]]), np.array([0.5]))
    assert top.causes.tolist() == [[1, -1, -1]]


def test_columns_of_one_cause_are_added_and_led_by_the_strongest_on_its_side():
    phi = np.array([[0.5, -0.9, 0.7, 0.1], [-0.5, -0.2, 0.3, 0.1]])
    causes = ("delay_level", "peers", "delay_level", "time")
    found = reasons.by_cause(phi, causes)
    assert found.causes == ("delay_level", "peers", "time")
    np.testing.assert_allclose(found.contributions, [[1.2, -0.9, 0.1], [-0.2, -0.2, 0.1]])
    assert found.leading.tolist() == [[2, 1, 3], [0, 1, 3]]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 39))
def test_a_row_s_points_do_not_depend_on_the_rows_beside_it(seed, row):
    phi = np.random.default_rng(seed).normal(size=(40, 11))
    p = sigmoid(phi.sum(axis=1))
    _, all_rows = reasons.points(-1.0, phi, p)
    _, one_row = reasons.points(-1.0, phi[row : row + 1], p[row : row + 1])
    assert np.array_equal(all_rows[row], one_row[0])
    grouped = reasons.by_cause(phi, "abacbdaebca")
    alone = reasons.by_cause(phi[row : row + 1], "abacbdaebca")
    assert np.array_equal(grouped.contributions[row], alone.contributions[0])
    assert np.array_equal(grouped.leading[row], alone.leading[0])


DELAY = Wording(
    "delay_level",
    "days",
    it="paga in media {value} dopo la scadenza (di solito {usual})",
    en="pays {value} after the due date on average (usually {usual})",
)


def said(language, *, value=19.0, usual=5.0, points=0.11, feature="delay_mean"):
    return reasons.sentence(
        "delay_level",
        feature,
        value=value,
        usual=usual,
        points=points,
        wordings={"delay_mean": DELAY},
        language=language,
    )


def test_a_reason_in_both_languages():
    assert said("it") == "paga in media 19 giorni dopo la scadenza (di solito 5 giorni): +11 punti"
    assert said("en") == "pays 19 days after the due date on average (usually 5 days): +11 points"


def test_one_day_and_one_point_are_singular():
    text = said("it", value=1.0, usual=1.0, points=0.01)
    assert text == "paga in media 1 giorno dopo la scadenza (di solito 1 giorno): +1 punto"
    text = said("en", value=1.0, usual=1.0, points=-0.01)
    assert text == "pays 1 day after the due date on average (usually 1 day): -1 point"


def test_an_unknown_usual_value_is_left_out():
    assert said("en", usual=np.nan) == "pays 19 days after the due date on average: +11 points"


@pytest.mark.parametrize(
    ("cause", "feature", "italian", "english"),
    [
        (
            "delay_level",
            "delay_mean",
            "non ci sono ancora abbastanza pagamenti per conoscere i ritardi passati",
            "there are not enough payments yet to know past delays",
        ),
        (
            "delay_level",
            "delay_max_90",
            "non ci sono negli ultimi 90 giorni abbastanza pagamenti per conoscere"
            " i ritardi passati",
            "there are not enough payments over the last 90 days to know past delays",
        ),
        ("exposure", "oldest_overdue_age", "non ha nulla di scaduto", "has nothing overdue"),
        (
            "delay_trend",
            "delay_last_3",
            "non ci sono ancora abbastanza pagamenti per conoscere l'andamento dei ritardi",
            "there are not enough payments yet to know the trend of the delays",
        ),
        (
            "invoiced_vs_paid",
            "paid_ratio_90",
            "negli ultimi 90 giorni non gli è stato fatturato nulla",
            "nothing was invoiced over the last 90 days",
        ),
    ],
)
def test_a_missing_value_is_told_by_what_it_means(cause, feature, italian, english):
    def say(language):
        return reasons.sentence(
            cause,
            feature,
            value=np.nan,
            usual=5,
            points=0.11,
            wordings={feature: DELAY},
            language=language,
        )

    assert say("it") == f"{italian}: +11 punti"
    assert say("en") == f"{english}: +11 points"


def test_a_feature_without_a_sentence_never_shows_its_name():
    assert said("en", feature="delay_ewm_fast") == "past delays: +11 points"


def of_the_model(cause, value, usual, language):
    return reasons.sentence(
        cause, None, value=value, usual=usual, points=0.031, wordings={}, language=language
    )


@pytest.mark.parametrize(
    ("cause", "value", "usual", "italian", "english"),
    [
        (
            "customer_record",
            0.62,
            0.18,
            "a giudicare dai soli pagamenti di questo cliente la probabilità sarebbe 62%"
            " (clienti simili: 18%)",
            "judging by this customer's own payments alone the probability would be 62%"
            " (similar customers: 18%)",
        ),
        (
            "customer_record",
            0.744,
            0.738,
            "questo cliente paga come i clienti simili, per i quali la probabilità è 74%",
            "this customer pays as similar customers do, for whom the probability is 74%",
        ),
        (
            "time",
            -5,
            30,
            "oggi siamo 5 giorni prima della scadenza"
            " (si guarda fino a: 30 giorni dopo la scadenza)",
            "today is 5 days before the due date (looking ahead to: 30 days after the due date)",
        ),
        (
            "time",
            182,
            180,
            "dalla scadenza sono già passati 182 giorni, più di quelli su cui si fanno previsioni",
            "182 days have already passed since the due date, more than are predicted",
        ),
        ("everything_else", np.nan, np.nan, "tutto il resto", "everything else"),
    ],
)
def test_the_record_and_the_time_have_sentences_of_their_own(cause, value, usual, italian, english):
    assert of_the_model(cause, value, usual, "it") == f"{italian}: +3 punti"
    assert of_the_model(cause, value, usual, "en") == f"{english}: +3 points"


@pytest.mark.parametrize(
    ("value", "unit", "italian", "english"),
    [
        (1234.5, "eur", "1.234,50\xa0€", "€1,234.50"),
        (123450, "cents", "1.234,50\xa0€", "€1,234.50"),
        (0.456, "share", "46%", "46%"),
        (0.004, "share", "0,4%", "0.4%"),
        (1234, "count", "1.234", "1,234"),
        (0, "days", "0 giorni", "0 days"),
        (-0.01, "days", "0 giorni", "0 days"),
        (1.5, "days", "1,5 giorni", "1.5 days"),
        (1.0, "days_late", "1 giorno dopo la scadenza", "1 day after the due date"),
        (20454, "date", "1 gennaio 2026", "1 January 2026"),
        (0, "weekday", "lunedì", "Monday"),
        (12, "month", "dicembre", "December"),
        (2.345, "ratio", "2,35×", "2.35×"),
        (1, "flag", "sì", "yes"),
        (-60_000, "cents_left", "è superato di 600,00\xa0€", "is exceeded by €600.00"),
        (-0.2, "unpaid_share", "0%", "0%"),
        (-5, "days_later", "5 giorni prima", "5 days sooner"),
        (0.01, "days_later", "come sempre", "as ever"),
        (1, "days_until", "tra 1 giorno", "1 day away"),
        (-3, "days_until", "passata da 3 giorni", "3 days past"),
        (0.1, "days_a_day", "cresce di 3 giorni al mese", "grows by 3 days a month"),
        (0.001, "days_a_day", "non cambia", "does not change"),
        (-0.2, "share_grown", "sceso del 20%", "fallen by 20%"),
        (-0.25, "safer", "peggiorato di 0,25", "become worse by 0.25"),
        (-30, "days_longer", "30 giorni più corti", "30 days shorter"),
        (
            1.5,
            "deviations",
            "sopra la media di 1,5 scarti tipici",
            "1.5 standard deviations above average",
        ),
        (np.log(123450), "ln_cents", "1.234\xa0€", "€1,234"),
        (np.nan, "eur", "non noto", "not known"),
    ],
)
def test_quantities_are_written_as_each_language_writes_them(value, unit, italian, english):
    assert quantity(value, unit, "it") == italian
    assert quantity(value, unit, "en") == english


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "paga lo 0% delle fatture"),
        (0.01, "paga l'1% delle fatture"),
        (0.08, "paga l'8% delle fatture"),
        (0.11, "paga l'11% delle fatture"),
        (0.18, "paga il 18% delle fatture"),
        (0.85, "paga l'85% delle fatture"),
        (0.004, "paga lo 0,4% delle fatture"),
        (1.1, "paga il 110% delle fatture"),
    ],
)
def test_a_number_has_the_article_that_it_wants(share, said):
    filled = wording.fill("paga il {value} delle fatture", value=quantity(share, "share", "it"))
    assert wording.elided(filled, "it") == said
    assert wording.elided(filled, "en") == filled


def test_a_fall_has_its_article_too():
    assert wording.elided("sceso del 8%", "it") == "sceso dell'8%"
    assert (
        wording.elided("sceso del 80%, il 11% e il 12%", "it") == "sceso dell'80%, l'11% e il 12%"
    )


def test_a_noun_follows_its_number():
    template = "ha {value:fattura aperta/fatture aperte} (di solito {usual})"
    assert wording.fill(template, value="1", usual="3") == "ha 1 fattura aperta (di solito 3)"
    assert wording.fill(template, value="1.001", usual=None) == "ha 1.001 fatture aperte"


BRACES, MINUS = re.compile(r"[{}_]"), re.compile(r"-\d")
READ_WITH_A_SCALE = {"burstiness"}  # "on a scale from -1 to 1"


@pytest.mark.parametrize("language", ["it", "en"])
@pytest.mark.parametrize("name", BOOK)
@settings(max_examples=15, deadline=None)
@given(value=st.floats(-20, 20), usual=st.floats(-20, 20) | st.just(np.nan))
def test_every_feature_is_said_without_its_name_or_a_minus(name, language, value, usual):
    """What may be negative has words for its sides; nothing else in the book can be."""
    feature = BOOK[name]
    if feature.unit in ("weekday", "month"):
        value, usual = abs(value) % 7 + (feature.unit == "month"), np.nan
    elif feature.unit not in movements.MOVEMENTS and feature.unit != "days_late":
        value, usual = abs(value), abs(usual)
    text = reasons.sentence(
        feature.cause,
        name,
        value=value,
        usual=usual,
        points=0.11,
        wordings={name: Wording(feature.cause, feature.unit, feature.it, feature.en)},
        language=language,
    )
    assert not BRACES.search(text)
    assert name in READ_WITH_A_SCALE or not MINUS.search(text)
    assert not re.search(r"(?<![\d.,])1 (fatture|giorni|volte|invoices|days|times)\b", text)
    assert not re.search(r"\b(il|del) (8[\d.]*|0|1|11)(,\d+)?%", text)


def test_small_points_keep_a_decimal():
    assert points(0.004, "it") == "+0,4 punti"
    assert points(-0.004, "en") == "-0.4 points"
    assert points(0.0001, "en") == "0 points"
    assert points(0.0099, "en") == "+1 point"


def test_a_language_or_a_unit_that_we_do_not_speak_is_refused_by_name():
    with pytest.raises(ValueError, match="language must be one of it, en, got: fr"):
        quantity(1, "days", "fr")
    with pytest.raises(ValueError, match=r"unit must be one of .*, got: furlong"):
        quantity(1, "furlong", "it")
