def test_long_answers_are_compressed_for_who_asks(client):
    packed = client.get("/v1/worklist", headers={"Accept-Encoding": "gzip"})
    plain = client.get("/v1/worklist", headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.json() == plain.json()


def test_a_workbook_is_not_compressed_twice(client):
    headers = {"Accept-Encoding": "gzip"}
    answer = client.get("/v1/exports/worklist.xlsx", headers=headers)
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers
