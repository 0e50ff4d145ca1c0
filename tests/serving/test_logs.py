import io
import json
import logging

import pytest

from serving.logs import REQUESTS, JsonLines


@pytest.fixture
def written():
    """What the service logs, as the lines of the file that it goes to."""
    file = io.StringIO()
    handler = logging.StreamHandler(file)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before, client = root.level, logging.getLogger("httpx")  # the test's own client
    client.setLevel(logging.WARNING)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in file.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(before)


def requests(lines):
    return [line for line in lines if line["logger"] == REQUESTS]


def test_a_request_is_one_line_that_names_its_route_and_not_its_address(serve, row, written):
    client = serve([row()], api_keys=("a-long-enough-key",))
    asked = {"X-API-Key": "a-long-enough-key", "X-Request-ID": "integrator-0001"}
    assert client.get("/v1/customers/C-0042", headers=asked).status_code == 200
    (line,) = requests(written())
    assert line["route"] == "/v1/customers/{customer_id:path}"
    assert (line["status"], line["method"], line["key"]) == (200, "GET", "settings")
    assert line["request_id"] == "integrator-0001"
    assert line["ms"] > 0
    assert "C-0042" not in json.dumps(written())


def test_a_key_in_the_address_is_in_no_line(serve, row, written):
    """B6."""
    client = serve([row()], api_keys=("a-long-enough-key",))
    assert client.get("/v1/worklist?X-API-Key=a-long-enough-key").status_code == 401
    (line,) = requests(written())
    assert (line["status"], line["key"], line["route"]) == (401, None, "none")
    assert "a-long-enough-key" not in json.dumps(written())


def test_an_invented_method_is_not_written_down(client, written):
    client("SPAM\x7f", "/v1/worklist")
    (line,) = requests(written())
    assert line["method"] == "OTHER"


def test_a_line_break_in_a_text_does_not_end_the_line(written):
    """A80, F30."""
    logging.getLogger("test").info('Rossi\r\n{"level":"info"}\u2028')
    (line,) = written()
    assert line["message"] == 'Rossi\r\n{"level":"info"}\u2028'


def test_a_failure_tells_its_place_and_not_what_it_quotes(written):
    try:
        try:
            int("Officine Brambilla")
        except ValueError as fault:
            raise RuntimeError("Officine Brambilla") from fault
    except RuntimeError:
        logging.getLogger("test").exception("the request failed")
    (line,) = written()
    assert line["failure"]["kind"] == "RuntimeError"
    assert line["failure"]["cause"] == "ValueError"
    assert "test_logs.py" in line["failure"]["where"][-1]
    assert "Brambilla" not in json.dumps(line)
