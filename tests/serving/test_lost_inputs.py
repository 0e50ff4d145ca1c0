"""What training knew and last night's ledger does not tell: every answer says so."""

import pyarrow as pa

from pipelines.score_schema import SCORE_SCHEMA
from pipelines.settings import Settings
from pipelines.store import ScoreStore


def publish(home, rows, **facts):
    store = ScoreStore(Settings(_env_file=None, home=home).scores_folder)
    with store.writing() as run:
        table = pa.Table.from_pylist(rows, schema=SCORE_SCHEMA)
        store.publish(rows[0]["as_of"], table, run=run, facts=facts)


def test_a93_scores_without_facts_that_training_knew_are_degraded_everywhere(serve, row, tmp_path):
    publish(tmp_path, [row()], lost_inputs=["peer_late0_company", "terms_days"])
    client = serve(model=True)
    for path in ("worklist", "invoices/2026/000311", "customers/C-0042"):
        answer = client.get(f"/v1/{path}")
        assert answer.status_code == 200, path
        assert answer.json()["degraded"] is True, path
    assert "features lost: 2" in client.get("/?lang=en").text
    publish(tmp_path, [row(open_cents=1)], lost_inputs=[])
    client.app.state.at_hand.refresh_scores()
    assert client.get("/v1/worklist").json()["degraded"] is False
    assert "features lost" not in client.get("/?lang=en").text
