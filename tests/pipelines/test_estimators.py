"""The estimators keep scikit-learn's contract, and the bits of training and scoring."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from pipelines import backtest, estimators, features, leak_check, scoring
from pipelines.estimators import LatePaymentClassifier, LedgerFeatures, training_questions
from pipelines.ledger import Ledger
from pipelines.streams import settled
from tests.trained import Trained, small

# Of scikit-learn's own checks, those that feed no data. The others feed arrays of random numbers,
# where a row here names an invoice and a day: what they ask is asked below with real rows.
OF_THE_INTERFACE = [
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_mixin_order,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
]
ESTIMATORS = [LatePaymentClassifier, LedgerFeatures]
Asked = tuple[pd.DataFrame, np.ndarray]


@pytest.fixture(scope="module")
def learned() -> tuple[Trained, Asked, LatePaymentClassifier]:
    trained = small()
    asked = training_questions(trained.ledger, cut_off=trained.as_of)
    model = LatePaymentClassifier(trained.ledger, cut_off=trained.as_of).fit(*asked)
    return trained, asked, model


@pytest.mark.parametrize("kind", ESTIMATORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("check", OF_THE_INTERFACE, ids=lambda check: check.__name__)
def test_scikit_learns_checks_of_the_interface_pass(kind: type, check: Callable) -> None:
    check(kind.__name__, kind())


@pytest.mark.parametrize("kind", ESTIMATORS, ids=lambda kind: kind.__name__)
def test_scikit_learn_is_told_that_a_row_is_no_array_of_numbers(kind: type) -> None:
    with pytest.warns(SkipTestWarning, match="requires input"):
        estimator_checks.check_estimator(kind())


def test_the_same_questions_make_the_model_of_training_and_get_its_bits(learned) -> None:
    trained, (X, _), model = learned
    ours = backtest.train(trained.ledger, cut_off=trained.as_of)

    assert model.model_.tree_text == ours.tree_text
    assert model.model_.weights == ours.weights


def test_a_probability_is_the_one_that_every_door_gives(learned) -> None:
    trained, _, model = learned
    bundle = type(trained.bundle)(model.model_, "ours", trained.bundle.manifest)
    scores = scoring.score(trained.ledger, trained.as_of, bundle).to_pandas()
    for days, column in ((0, "p_late_0"), (30, "p_late_30"), (90, "p_late_90")):
        X = pd.DataFrame(
            {"invoice_id": scores.invoice_id, "as_of": scores.as_of, "horizon_days": days}
        )
        assert (model.predict_proba(X)[:, 1] == scores[column]).all()


def test_fit_gives_itself_and_again_the_same(learned) -> None:
    _, (X, y), model = learned
    again = clone(model)
    some = slice(None, None, 400)

    assert again is not model
    assert again.ledger is model.ledger
    assert again.fit(X, y) is again
    assert (again.predict_proba(X[some]) == model.predict_proba(X[some])).all()


def test_a_row_gets_the_same_alone_and_in_any_order(learned) -> None:
    _, (X, _), model = learned
    some = X.sample(40, random_state=0)
    together = model.predict_proba(some)

    assert together.shape == (40, 2)
    assert np.allclose(together.sum(axis=1), 1)
    assert (model.predict_proba(some[::-1])[::-1] == together).all()
    assert (model.predict_proba(some[3:4]) == together[3:4]).all()
    assert (model.predict_proba(some.to_numpy()) == together).all()
    assert (model.predict(some) == (together[:, 1] > 0.5)).all()


def test_what_is_asked_is_left_as_it_was_and_the_fitted_one_can_be_kept(learned) -> None:
    _, (X, _), model = learned
    some = X[:5]
    before = some.copy()
    kept = pickle.loads(pickle.dumps(model))

    assert (kept.predict_proba(some) == model.predict_proba(some)).all()
    pd.testing.assert_frame_equal(some, before)


def test_an_unfitted_one_says_so() -> None:
    with pytest.raises(NotFittedError):
        LatePaymentClassifier(small().ledger).predict_proba(pd.DataFrame())
    with pytest.raises(NotFittedError):
        LedgerFeatures(small().ledger).transform(pd.DataFrame())


def _row(**other: Any) -> pd.DataFrame:
    trained = small()
    first = training_questions(trained.ledger, cut_off=trained.as_of)[0][:1]
    return first.assign(**other)


@pytest.mark.parametrize(
    ("X", "why"),
    [
        (_row(invoice_id="nobody's"), "row 0: nobody's as of"),
        (_row(as_of="2035-01-01"), "was not open on its as_of: row 0"),
        (_row().drop(columns="as_of"), r"lacking: \['as_of'\]"),
        (_row()[:0], "X must have rows"),
        (np.zeros((3, 2)), r"got: \(3, 2\)"),
        (_row(as_of=pd.NaT), "as_of must be a day, got: row 0: NaT"),
        (_row(horizon_days=np.nan), "horizon_days must be whole days, got: row 0: nan"),
        (_row(horizon_days=30.7), r"got: row 0: 30\.7"),
    ],
    ids=[
        *("unknown invoice", "paid long ago", "a column less", "no rows", "two columns"),
        *("no day", "no horizon", "part of a day"),
    ],
)
def test_rows_that_cannot_be_asked_are_refused_in_words(learned, X: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        learned[2].predict_proba(X)


@pytest.mark.parametrize(
    ("ledger", "y", "why"),
    [
        (None, [1], "ledger must be given"),
        ("small", [2], "y must be 1"),
        ("small", [1, 0], "one label for each of 1 rows"),
    ],
)
def test_labels_and_ledgers_that_do_not_fit_are_refused(ledger, y, why: str) -> None:
    given: Ledger | None = small().ledger if ledger else None
    with pytest.raises(ValueError, match=why):
        LatePaymentClassifier(given).fit(_row(), y)


def test_what_could_not_be_known_at_the_cut_off_is_not_learned(learned) -> None:
    trained, (X, y), _ = learned
    before = LatePaymentClassifier(trained.ledger, cut_off=trained.as_of - 60)
    with pytest.raises(ValueError, match="a day that is not over at the cut-off: row"):
        before.fit(X[:1].assign(horizon_days=900), y[:1])
    with pytest.raises(ValueError, match="was not open on its as_of: row 0"):
        before.fit(X[:1].assign(as_of="2001-01-01", horizon_days=0), y[:1])


def test_a_day_is_that_of_its_own_zone_or_a_number(learned) -> None:
    _, (X, _), model = learned
    some = X[:5]
    told = model.predict_proba(some)
    in_rome = some.as_of.dt.tz_localize("Europe/Rome")
    numbers = some.as_of.to_numpy().astype("datetime64[D]").astype(int)

    assert (model.predict_proba(some.assign(as_of=in_rome)) == told).all()
    assert (model.predict_proba(some.assign(as_of=numbers)) == told).all()


def test_the_features_feed_a_model_of_ones_own_split_by_customer(learned) -> None:
    trained, (X, y), _ = learned
    wanted = (X.horizon_days == 30).to_numpy()
    X, y = X[wanted], y[wanted]
    book = LedgerFeatures(trained.ledger).set_output(transform="pandas").fit(X)

    shown = book.transform(X[:20])
    assert list(shown.columns) == [*features.BOOK, "horizon_days"]
    own = make_pipeline(LedgerFeatures(trained.ledger), HistGradientBoostingClassifier(max_iter=5))
    customers = X.invoice_id.str.split("-").str[0]
    told = cross_val_predict(own, X, y, groups=customers, cv=GroupKFold(2), method="predict_proba")
    assert told.shape == (len(X), 2)


def test_another_future_changes_nothing_that_is_said_of_a_day(learned) -> None:
    trained, (X, _), model = learned
    origin = trained.as_of - 90
    other = leak_check.another_future(trained.ledger, origin)
    known = X.invoice_id.isin(other.invoices["invoice_id"].to_pylist())
    X = X[known & (X.as_of == np.datetime64(origin, "D"))][:50]
    fancy = {"delay_mean_45": settled.mean("delay", 45)}

    told = model.predict_proba(X)
    book = LedgerFeatures(trained.ledger, more=fancy).fit(X)
    assert len(X)
    again = pickle.loads(pickle.dumps(model)).set_params(ledger=other)
    assert (again.predict_proba(X) == told).all()
    then = LedgerFeatures(other, more=fancy).fit(X).transform(X)
    assert np.array_equal(book.transform(X), then, equal_nan=True)


def test_a_feature_yet_to_be_stands_beside_the_book(learned) -> None:
    trained, (X, _), _ = learned
    X = X[:30]
    same = {"again": features.BOOK["delay_mean_90"].node}
    tried = LedgerFeatures(trained.ledger, more=same).set_output(transform="pandas").fit(X)

    shown = clone(tried).fit(X).transform(X)
    assert list(shown.columns)[-2:] == ["again", "horizon_days"]
    assert shown["again"].equals(shown["delay_mean_90"].rename("again"))


def test_a_day_is_a_date_its_text_or_its_number() -> None:
    assert len({estimators.day_of(day) for day in ("2026-07-01", np.int64(20635), 20635)}) == 1
    assert estimators.day_of(pd.Timestamp("2026-07-01 10:00")) == 20635
