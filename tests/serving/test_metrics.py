import pytest
from prometheus_client.parser import text_string_to_metric_families


def samples(answer):
    """Every figure of an answer, by its name and labels."""
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_was_asked_is_counted_by_route_and_status(serve, row):
    client = serve([row()], model=True)
    for invoice_id in ("2026/000311", "2026/000311", "nothing"):
        client.get(f"/v1/invoices/{invoice_id}")
    found = samples(client.get("/metrics"))
    route = "/v1/invoices/{invoice_id:path}"
    assert found["puntuale_requests_total", "/v1/invoices/{invoice_id:path}", "200", "GET"] == 2
    assert found["puntuale_requests_total", "/v1/invoices/{invoice_id:path}", "404", "GET"] == 1
    assert found["puntuale_request_seconds_count", route] == 3


def test_the_scores_the_model_and_their_ages_are_told(serve, row):
    rows = [row(), row(invoice_id="A", risk_band="low"), row(invoice_id="B", risk_band="low")]
    found = samples(serve(rows, model=True).get("/metrics"))
    assert found["puntuale_scores", "low"] == 2
    assert found["puntuale_scores", "high"] == 1
    assert found["puntuale_scores", "critical"] == 0
    assert found["puntuale_scores_age_days",] == 0
    assert found["puntuale_model", "2026-06-30-fake000000"] == 1
    assert found["puntuale_model_age_days",] == -1, "made on the day after the day asked about"
    assert found["puntuale_quarantined_rows",] == 0
    assert found["puntuale_drift_findings",] == 0
    assert found["puntuale_scoring_queue",] == 0
    assert found["puntuale_away", "scores"] == 0


def test_a_service_with_nothing_tells_that(serve):
    found = samples(serve().get("/metrics"))
    assert found["puntuale_away", "model"] == 1
    assert not [name for name in found if name[0] == "puntuale_scores"]


def test_where_keys_are_needed_metrics_need_one_too(serve, row):
    client = serve([row()], api_keys=("a-long-enough-key",))
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"X-API-Key": "a-long-enough-key"}).status_code == 200


@pytest.mark.parametrize("name", ["C-0042", "Brambilla", "2026/000311"])
def test_metrics_name_nobody(serve, row, name):
    client = serve([row()])
    client.get("/v1/customers/C-0042")
    client.get("/v1/C-0042/2026/000311")
    assert name not in client.get("/metrics").text
