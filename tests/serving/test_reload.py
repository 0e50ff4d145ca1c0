import json
import os
import shutil
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import thorough

from models import bundle
from pipelines import policies
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.store import CURRENT, ScoreStore
from serving.at_hand import AtHand
from serving.messages import EXAMPLE
from serving.records_at_hand import RecordsAtHand
from serving.reload import TRY_AGAIN_SECONDS, Reload
from tests import small_company
from tests.live import PATIENCE_SECONDS
from tests.served import Asking, process, ready
from tests.small_company import AS_OF

pytestmark = small_company.QUIET_MLFLOW


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def home(tmp_path):
    """A home with a promoted model; the model's version, and a copy under another one."""
    settings = small_company.settings(tmp_path)
    version = small_company.crowned(settings)
    other = settings.models_folder / f"{version}-again"
    files = tmp_path / "files"
    shutil.copytree(settings.models_folder / version, files)
    (files / bundle.MANIFEST).unlink()
    bundle.export(files, to=other, version=other.name, created_at="2026-07-02")
    return settings


@pytest.fixture
def at_hand(home):
    policy = policies.in_force(home)
    records = RecordsAtHand(home.records_url)
    store = ScoreStore(home.scores_folder)
    made = AtHand(home, store, pytest.fail, policy.catalogue, records, today=lambda: AS_OF)
    made.load_model()
    made.refresh_scores()
    yield made
    made.close()


def other_of(at_hand):
    return f"{at_hand.model.version}-again"


def test_a_model_that_is_promoted_is_taken_up_whole(at_hand, home):
    taken_before, wanted = at_hand.model, other_of(at_hand)
    bundle.crown(wanted, among=home.models_folder)
    Reload(at_hand).look()
    assert at_hand.model.version == wanted
    assert taken_before.version != wanted, "who began with the model before keeps it"
    assert at_hand.reloads["model", "taken"] == 2
    assert at_hand.parts_away() == []


def test_f13_a_model_that_is_damaged_leaves_the_last_good_one_and_is_said(at_hand, home):
    wanted, version = other_of(at_hand), at_hand.model.version
    bundle.crown(wanted, among=home.models_folder)
    trees = home.models_folder / wanted / "model.txt"
    good = trees.read_bytes()
    trees.write_bytes(good[:-100])
    clock = Clock()
    reload = Reload(at_hand, clock=clock)
    for _ in range(3):
        reload.look()
    assert at_hand.model.version == version
    assert "model.txt" in at_hand.model_fault
    assert at_hand.is_model_stale
    assert at_hand.parts_away() == ["model"]
    assert at_hand.reloads["model", "refused"] == 1, "not tried again at every look"

    trees.write_bytes(good)
    reload.look()
    assert at_hand.model.version == version
    clock.now = TRY_AGAIN_SECONDS + 1
    reload.look()
    assert at_hand.model.version == wanted
    assert at_hand.parts_away() == []


def test_f4_f15_a_pointer_that_goes_away_changes_nothing_but_is_said(at_hand, home):
    version = at_hand.model.version
    pointer = home.models_folder / bundle.CHAMPION
    pointer.unlink()
    Reload(at_hand).look()
    assert at_hand.model.version == version
    assert at_hand.parts_away() == ["model"]


def test_f16_a_model_grows_old(at_hand):
    assert not at_hand.is_model_stale
    at_hand.today = lambda: AS_OF + timedelta(days=93)
    assert at_hand.is_model_stale


def test_scores_that_are_published_are_read_and_damaged_ones_are_not(serve, row):
    client = serve([row()], model=True)
    at_hand = client.app.state.at_hand
    first = at_hand.snapshot().name
    assert client.get("/readyz").json()["away"] == []

    store = at_hand.store

    def publish(**changes):
        rows = pa.Table.from_pylist([row(**changes)], schema=SCORE_SCHEMA)
        with store.writing() as run:
            return store.publish(row()["as_of"], rows, run=run)

    second = publish(risk_band="low")
    at_hand.refresh_scores()
    assert at_hand.snapshot().name == second != first

    third = publish(risk_band="critical")
    lookup = store.root / third / "lookup.sqlite"
    lookup.chmod(0o644)
    lookup.write_bytes(lookup.read_bytes()[:-1])
    for _ in range(3):
        at_hand.refresh_scores()
    answer = client.get("/v1/invoices/2026/000311").json()
    assert answer["invoice"]["risk_band"] == "low"
    assert answer["stale"] is True
    assert client.get("/readyz").json()["away"] == ["scores"]
    assert at_hand.reloads["scores", "refused"] == 1

    (store.root / CURRENT).unlink()
    at_hand.refresh_scores()
    assert client.get("/v1/worklist").json()["stale"] is True


def test_f32_a_service_that_takes_up_many_nights_keeps_no_file_open(serve, row):
    at_hand = serve([row()], model=True).app.state.at_hand

    def night(turn):
        rows = pa.Table.from_pylist([row(open_cents=turn)], schema=SCORE_SCHEMA)
        with at_hand.store.writing() as run:
            at_hand.store.publish(row()["as_of"], rows, run=run)
        at_hand.refresh_scores()
        return len(os.listdir("/proc/self/fd"))

    used = [night(turn) for turn in range(1, 13)]
    assert used[-1] <= used[3], "two nights are held, however many there were"


def test_f20_records_that_are_away_are_told_and_scores_go_on(serve, row, tmp_path):
    (tmp_path / "records.db").mkdir()
    client = serve([row()], model=True, api_keys=("a-long-enough-key",))
    key = {"X-API-Key": "a-long-enough-key"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["away"]) == (200, ["records"])
    assert client.get("/v1/worklist", headers=key).status_code == 200


def test_f7_promoting_and_publishing_under_load_drops_and_mixes_no_answer(home, row, tmp_path):
    rounds = thorough.often(2, thorough=20)
    versions = sorted(
        path.name for path in home.models_folder.iterdir() if (path / bundle.MANIFEST).is_file()
    )
    assert len(versions) == 2
    store, seen = ScoreStore(home.scores_folder), {"model": [], "bands": []}

    def publish(band):
        rows = [row(invoice_id=f"F{n}", risk_band=band) for n in range(20)]
        with store.writing() as run:
            scores = pa.Table.from_pylist(rows, schema=SCORE_SCHEMA)
            store.publish(rows[0]["as_of"], scores, run=run)

    def see_bands(told):
        (band,) = {invoice["risk_band"] for invoice in json.loads(told)["invoices"]}
        seen["bands"].append(band)

    publish("low")
    scoring = ("POST", "/v1/scores", json.dumps(EXAMPLE), {"Content-Type": "application/json"})
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        with process(home.home, tmp_path / "log", listener=listener):
            address = listener.getsockname()
            ready(address)
            clients = [Asking(address, until=ended, see=see_bands) for _ in range(2)] + [
                Asking(
                    address,
                    until=ended,
                    ask=scoring,
                    see=lambda told: seen["model"].append(json.loads(told)["model_version"]),
                )
                for _ in range(2)
            ]
            for client in clients:
                client.start()
            for turn in range(rounds):
                version, band = versions[turn % 2], ("critical", "low")[turn % 2]
                bundle.crown(version, among=home.models_folder)
                publish(band)
                end = time.monotonic() + 2 * PATIENCE_SECONDS
                while seen["model"][-1:] != [version] or seen["bands"][-1:] != [band]:
                    assert sum((c.failures for c in clients), []) == []
                    assert time.monotonic() < end, "what was published is not taken up"
                    time.sleep(0.02)
            ended.set()
            for client in clients:
                client.join()
    assert sum((client.failures for client in clients), []) == []
    told = {"reloads": 2 * rounds, "answered": sum(client.answered for client in clients)}
    (Path(os.environ.get("FAULTS_TOLD", tmp_path)) / "reloads.json").write_text(json.dumps(told))
