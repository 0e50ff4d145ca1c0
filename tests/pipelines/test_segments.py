"""The portfolio by segment: parts that add up, small ones together, no trait that all share."""

import pyarrow as pa
import pyarrow.compute as pc

from pipelines import scoring, segments
from tests import trained

FIGURES = ("invoices", "open_cents", "value_at_risk_cents", "late_cents")


def told(scores=None):
    company = trained.small()
    scores = (
        scoring.score(company.ledger, company.as_of, company.bundle) if scores is None else scores
    )
    return scores, segments.of(scores, company.ledger.customers)


def test_the_parts_of_each_segment_add_up_to_the_portfolio():
    scores, found = told()
    assert {"risk_band", "segment", "collector"} <= {segment["by"] for segment in found}
    whole = {
        "invoices": scores.num_rows,
        "open_cents": pc.sum(scores["open_cents"]).as_py(),
        "value_at_risk_cents": pc.sum(scores["value_at_risk_cents"]).as_py(),
    }
    for segment in found:
        assert 1 < len(segment["parts"]) <= segments.MOST
        for name, expected in whole.items():
            assert sum(part[name] for part in segment["parts"]) == expected


def test_what_is_late_is_what_is_open_times_its_probability():
    scores, found = told()
    bands = next(segment["parts"] for segment in found if segment["by"] == "risk_band")
    for part in bands:
        rows = [row for row in scores.to_pylist() if row["risk_band"] == part["code"]]
        assert part["late_cents"] == round(sum(r["open_cents"] * r["p_late_30"] for r in rows))


def test_many_small_parts_are_told_together_and_missing_ones_as_not_told():
    scores, _ = told()
    rows = pa.array(range(scores.num_rows))
    codes = [f"C{n}" if (n := row.as_py() % 20) else None for row in rows]
    many = scores.set_column(
        scores.schema.get_field_index("company_code"), "company_code", pa.array(codes)
    )
    found = {segment["by"]: segment["parts"] for segment in told(many)[1]}
    parts = found["company_code"]
    assert len(parts) == segments.MOST
    assert parts[-1]["code"] == segments.REST
    assert sum(part["invoices"] for part in parts) == scores.num_rows


def test_a_trait_that_all_share_is_left_out():
    scores, _ = told()
    alike = scores.set_column(
        scores.schema.get_field_index("company_code"),
        "company_code",
        pa.array(["IT01"] * scores.num_rows),
    )
    assert "company_code" not in {segment["by"] for segment in told(alike)[1]}
