"""Propensities: what the log says of each action's chance, worked out by hand."""

import numpy as np

from pipelines import propensities

NAN = np.nan
CODES = ("wait", "call", "letter")


def recorded(rows: list[tuple[str, str, float]], **told: list[object]) -> np.ndarray:
    """Rows are (done, recommended, propensity)."""
    many = len(rows)
    columns = {
        "policy": ["p"] * many,
        "by_person": [False] * many,
        "held_out": [False] * many,
        "customer": list(range(many)),
        **told,
    }
    done, advised, chance = zip(*rows, strict=True)
    action, policy = np.array(done), np.array(columns["policy"], dtype=np.str_)
    by_person = np.array(columns["by_person"], bool)
    return propensities.recorded(
        CODES,
        action=action,
        recommended=propensities.before_the_toss(
            action=action, recommended=np.array(advised), policy=policy, by_person=by_person
        ),
        policy=policy,
        overruled=by_person & (action != np.array(advised)),
        propensity=np.array(chance, float),
        held_out=np.array(columns["held_out"], bool),
        customer=np.array(columns["customer"], np.uint64),
    )


def test_of_two_that_were_tossed_for_the_other_has_the_rest() -> None:
    rows = [("call", "call", 0.7), ("wait", "call", 0.4), ("letter", "letter", 1.0)]
    assert np.allclose(recorded(rows)[:2], [[0.3, 0.7, 0], [0.4, 0.6, 0]])
    assert recorded(rows)[2, 2] == 1.0


def test_of_three_only_the_one_that_was_done_is_told() -> None:
    told = recorded([("call", "call", 0.7), ("wait", "call", 0.2), ("letter", "call", 0.1)])
    assert np.isnan(told).sum() == 6
    assert told[range(3), [1, 0, 2]].tolist() == [0.7, 0.2, 0.1]


def test_what_a_person_did_instead_has_no_known_chance() -> None:
    rows = [("call", "call", 0.7), ("letter", "call", 0.7), ("wait", "call", 0.3)]
    told = recorded(rows, by_person=[True, True, False])
    assert np.isnan(told[1]).all()
    assert np.allclose(told[[0, 2]], [[0.3, 0.7, 0], [0.3, 0.7, 0]])


def test_what_was_not_recorded_is_not_made_up() -> None:
    assert np.isnan(recorded([("call", "", NAN), ("wait", "", NAN)])).all()


def test_policies_are_not_mixed() -> None:
    rows = [("call", "call", 0.7), ("wait", "call", 0.3), ("letter", "call", 0.5)] * 2
    told = recorded(rows, policy=["old", "old", "new"] * 2)
    assert np.allclose(told[0], [0.3, 0.7, 0])
    assert np.isnan(told[2, :2]).all()


def test_where_the_policy_does_not_toss_being_held_out_is_the_toss() -> None:
    rows = [("call", "call", 1.0)] * 3 + [("wait", "call", 1.0)]
    told = recorded(rows, held_out=[False, False, False, True])
    assert np.allclose(told, [[0.25, 0.75, 0]] * 4)


def test_a_constant_toss_and_the_hold_out_are_one_toss() -> None:
    rows = [("call", "call", 0.8), ("call", "call", 0.8), ("wait", "call", 0.2)]
    told = recorded([*rows, ("wait", "call", 1.0)], held_out=[False] * 3 + [True])
    assert np.allclose(told, [[0.25 + 0.75 * 0.2, 0.75 * 0.8, 0]] * 4)


def test_beside_a_toss_that_varies_those_held_out_stay_out_of_the_comparison() -> None:
    rows = [("call", "call", 0.8), ("wait", "call", 0.4), ("wait", "call", 1.0)]
    told = recorded(rows, held_out=[False, False, True])
    assert np.allclose(told, [[0.2, 0.8, 0], [0.4, 0.6, 0], [1, 0, 0]])


def test_a_hold_out_that_is_in_the_recorded_chance_is_not_counted_twice() -> None:
    rows = [("call", "call", 0.9), ("wait", "call", 0.1)]
    assert np.allclose(recorded(rows, held_out=[False, True]), [[0.1, 0.9, 0]] * 2)


def test_advice_that_follows_the_toss_does_not_say_in_which_case_it_was() -> None:
    rows = [("call", "call", 0.9), ("wait", "wait", 0.05), ("letter", "letter", 0.05)]
    told = recorded(rows)
    assert told[range(3), [1, 0, 2]].tolist() == [0.9, 0.05, 0.05]
    assert np.isnan(told).sum() == 6
    action = np.array(["call", "wait"])
    said = propensities.before_the_toss(
        action=action, recommended=action, policy=np.array(["p", "p"]), by_person=np.zeros(2, bool)
    )
    assert said.tolist() == ["", ""]


def test_held_out_without_a_plan_of_their_own_are_left_to_be_estimated() -> None:
    rows = [("call", "call", 1.0)] * 3 + [("wait", "wait", 1.0)] * 5
    told = recorded(rows, held_out=[False] * 6 + [True, True])
    assert np.allclose(told[:3], [[0.25, 0.75, 0]] * 3)
    assert np.allclose(told[3:6], [[1, 0, 0]] * 3)
    assert np.isnan(told[6:]).all()
