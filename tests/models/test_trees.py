import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.trees import ModelFileError, parse


def model_text(*, leaves: int = 5, trees: int = 3, **params: object) -> str:
    rng = np.random.default_rng(7)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] + rng.normal(size=300) > 0) * 1
    settings = {"objective": "binary", "num_leaves": leaves, "verbosity": -1, "num_threads": 1}
    data = lgb.Dataset(X, y, feature_name=["age", "delay", "amount"])
    return lgb.train({**settings, **params}, data, trees).model_to_string()


TEXT = model_text()


def changed(line: str, value: str, *, text: str = TEXT) -> str:
    """The text with the first `line=...` rewritten."""
    start = text.index(f"\n{line}=") + len(line) + 2
    return text[:start] + value + text[text.index("\n", start) :]


def line(name: str) -> str:
    start = TEXT.index(f"\n{name}=") + len(name) + 2
    return TEXT[start : TEXT.index("\n", start)]


def test_names_and_trees_are_read():
    model = parse(TEXT)
    assert model.feature_names == ("age", "delay", "amount")
    assert model.objective.startswith("binary")
    assert [tree.leaf_value.size for tree in model.trees] == [5, 5, 5]


def test_a_constant_tree_is_one_leaf():
    text = model_text(min_data_in_leaf=300)
    assert [tree.leaf_value.size for tree in parse(text).trees] == [1]


def test_the_mean_of_a_tree_weighs_its_leaves_by_training_rows():
    tree = parse(TEXT).trees[0]
    assert tree.mean == pytest.approx(np.average(tree.leaf_value, weights=tree.leaf_count))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("leaf_value", "nan 1 2 3 4", "leaf_value must not be NaN"),
        ("leaf_value", "inf 1 2 3 4", "leaf_value must be finite"),
        ("leaf_value", "1 2 3 4", "leaf_value must hold 5 values, got: 4"),
        ("leaf_value", "1 2 x 3 4", "leaf_value must be numbers"),
        ("threshold", "nan 0 0 0", "threshold must not be NaN"),
        ("split_feature", "0 3 0 0", "split_feature must be from 0 to 2"),
        ("split_feature", "0 -1 0 0", "split_feature must be from 0 to 2"),
        ("left_child", "9 9 9 9", "must name every other split and every leaf once"),
        ("left_child", "0 1 2 3", "must name every other split and every leaf once"),
        ("leaf_count", "0 1 1 1 1", "leaf_count must be at least 1"),
        ("internal_count", "300 1 1 1", "internal_count must be the sum"),
        ("num_leaves", "-1", "num_leaves must be from 1 to 65536"),
        ("num_leaves", "1000000000000", "num_leaves must be from 1 to 65536"),
        ("num_cat", "1", "categorical splits are not supported"),
        ("is_linear", "1", "linear trees are not supported"),
        ("decision_type", "1 2 2 2", "decision_type must be a numerical split"),
        ("num_class", "3", "num_class must be 1"),
        ("num_tree_per_iteration", "3", "num_tree_per_iteration must be 1"),
        ("max_feature_idx", "7", "feature_names must be 8 names, got: 3"),
        ("tree_sizes", "1 2", "tree_sizes announces 2 trees, got: 3"),
        ("version", "v9", "version v3 or v4"),
    ],
)
def test_an_odd_line_is_refused_by_name(name, value, said):
    with pytest.raises(ModelFileError, match=said):
        parse(changed(name, value))


def test_a_cycle_is_refused():
    # Splits 1 and 2 name each other: every child is named once, but the root reaches neither.
    text = model_text(leaves=4, trees=1)
    text = changed("left_child", "-1 2 1", text=text)
    text = changed("right_child", "-2 -3 -4", text=text)
    with pytest.raises(ModelFileError, match="after its parent"):
        parse(text)


def test_a_forest_that_averages_is_refused():
    forest = model_text(boosting="rf", bagging_fraction=0.5, bagging_freq=1)
    with pytest.raises(ModelFileError, match="averaged trees"):
        parse(forest)


def test_a_line_written_twice_is_refused():
    doubled = TEXT.replace("\nnum_cat=0\n", "\nnum_cat=0\nnum_cat=0\n", 1)
    with pytest.raises(ModelFileError, match="written twice"):
        parse(doubled)


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, TEXT.index("end of trees")))
def test_a_cut_text_is_refused(at):  # F13: LightGBM itself aborts the process on these
    with pytest.raises(ModelFileError):
        parse(TEXT[:at])


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(TEXT) - 1), put=st.sampled_from("0123456789-.= \nx\0"))
def test_a_changed_character_is_refused_or_gives_well_formed_trees(at, put):
    try:
        model = parse(TEXT[:at] + put + TEXT[at + 1 :])
    except ModelFileError:
        return
    for tree in model.trees:
        assert np.isfinite(tree.leaf_value).all()
        assert tree.leaf_value.size == tree.feature.size + 1
