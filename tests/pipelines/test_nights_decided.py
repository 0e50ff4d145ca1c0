"""What nights advised and what was done about it, drawn by hand."""

import numpy as np
import pyarrow as pa
from ledgers import BASE, drawn, to_ledger

from pipelines import action_log
from pipelines.plan_record import ADVISED_SCHEMA

LEDGER = """
    invoices invoice_id customer_id issue_date due_date amount
    I1 A 0 30 100.00
    I2 A 0 30 200.00
    I3 B 0 30 300.00
    payments invoice_id paid_on amount
    I3 44 300.00
    actions action_id customer_id invoice_id performed_on action_code
    a1 A - 41 call
    a2 B I3 43 statement
"""
CALL = {"call": 0.6, "wait": 0.4}


def night(day: int, invoice: str, **told: object) -> dict[str, object]:
    """A row of advice; without more, to wait when a call had a chance too."""
    row = {
        "invoice_id": invoice,
        "customer_id": "B" if invoice == "I3" else "A",
        "on": day,
        "action": "wait",
        "effective": "wait",
        "chances": CALL,
        "propensity": 0.4,
        "policy_version": "p1",
        "held_out": False,
        "features_hash": "f",
        "p_late_30": 0.5,
        "p_unpaid_180": 0.1,
        "cause": "habit",
        **told,
    }
    on, as_of = (np.datetime64(0, "D") + BASE + int(str(d)) for d in (row["on"], day))
    chances = [{"code": c, "chance": p} for c, p in row["chances"].items()]  # type: ignore[attr-defined]
    return {**row, "as_of": as_of.item(), "on": on.item(), "chances": chances}


def read(advice: list[dict[str, object]], *, as_of: int = 400) -> pa.Table:
    return action_log.read(
        to_ledger(drawn(LEDGER)),
        BASE + as_of,
        advised=pa.Table.from_pylist(advice, schema=ADVISED_SCHEMA),
        horizon_days=60,
    )


def told(log: pa.Table) -> list[tuple[object, ...]]:
    names = ("invoice_id", "performed_on", "action_code", "recommended_action", "propensity")
    rows = [tuple(row[name] for name in names) for row in log.to_pylist()]
    return [
        (i, (np.datetime64(d) - np.datetime64(0, "D")).astype(int) - BASE, *rest)
        for i, d, *rest in rows
    ]


CALLED = {"action": "call", "effective": "call", "propensity": 0.6}


def test_days_on_which_nothing_was_done_are_decisions_to_wait() -> None:
    log = read([night(40, "I1"), night(41, "I1", **CALLED), night(42, "I1"), night(45, "I2")])
    assert told(log) == [
        ("I1", 41, "call", "call", 0.6),
        ("I2", 41, "call", None, None),  # no night had advised on it
        ("I3", 43, "statement", None, None),
        ("I1", 40, "wait", "wait", 0.4),
        ("I1", 42, "wait", "wait", 0.4),
        ("I2", 45, "wait", "wait", 0.4),
    ]
    assert log["actor"].to_pylist()[3:] == [None] * 3
    assert log["days"].to_pylist()[3] == 60
    assert log["chances"].to_pylist()[0] == [{"code": c, "chance": p} for c, p in CALL.items()]


def test_what_people_did_instead_keeps_no_chance() -> None:
    log = read([night(41, "I1"), night(44, "I2", **CALLED), night(46, "I2")])
    rows = {(row[0], row[1]): row[2:] for row in told(log)}
    assert rows["I1", 41] == ("call", "wait", None)
    assert rows["I2", 44] == ("wait", "call", None)  # nobody called
    arrays = action_log.decisions(log)
    known = dict(
        zip(
            zip(*(log[c].to_pylist() for c in ("invoice_id", "action_code")), strict=True),
            arrays.randomised,
            strict=True,
        )
    )
    assert known["I2", "wait"]  # of day 46, the last row
    assert arrays.randomised.sum() == 1


def test_an_invoice_that_the_contact_does_not_reach_waits_by_its_own_chances() -> None:
    reached = {"action": "call", "effective": "wait", "chances": {"wait": 1.0}, "propensity": 0.6}
    log = read([night(41, "I1", **CALLED), night(41, "I2", **reached)])
    rows = {row[0]: row[2:] for row in told(log)}
    assert rows["I1"] == ("call", "call", 0.6)
    assert rows["I2"] == ("wait", "wait", 0.6)
    chances = action_log.decisions(log).propensities[:2]
    codes = action_log.decisions(log).codes
    assert chances[0, codes.index("call")] == 0.6
    assert chances[1].tolist() == [1.0, *[0.0] * (len(codes) - 1)]


def test_a_night_speaks_until_the_next_and_what_is_not_over_is_not_told() -> None:
    # on Saturday the call is planned for Monday, when another night speaks: not a decision
    early = night(40, "I1", on=42, **CALLED)
    assert ("I1", 40) not in [row[:2] for row in told(read([early, night(41, "I2")]))]
    # without another night, the call of day 41 is what was decided on day 40
    assert told(read([early]))[0] == ("I1", 41, "call", "call", 0.6)
    assert told(read([night(41, "I2")], as_of=41)) == []
    assert [row[:2] for row in told(read([night(40, "I3")], as_of=41))] == [("I3", 40)]


def test_chances_of_every_option_are_taken_as_the_night_kept_them() -> None:
    three = {"call": 0.5, "letter": 0.2, "wait": 0.3}
    log = read([night(41, "I1", **{**CALLED, "chances": three}), night(46, "I2", chances=three)])
    arrays = action_log.decisions(log)
    assert {"wait", "call", "letter", "statement"} == set(arrays.codes)
    of = {code: at for at, code in enumerate(arrays.codes)}
    for row in (0, len(log) - 1):
        assert [arrays.propensities[row, of[code]] for code in three] == list(three.values())
        assert arrays.randomised[row]
