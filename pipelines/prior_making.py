"""Making the shared prior: of a company's own model, or of one trained on the invented ledger."""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from models import bundle
from models.bundle import MODEL_SOURCE, SHARED_PRIOR
from models.late_payment import GOLDEN_ROWS, LatePaymentModel
from pipelines import invented_sample, landmarks, prior, promotion, sources
from pipelines.features import Peers
from pipelines.job import day_number
from pipelines.ledger import Ledger

DAYS = 150  # after its issue: on which of them a golden row looks at an invoice
SEED = 0


def of_invented(home: Path, *, to: Path, at: datetime) -> str:
    """A prior trained on the invented ledger, whose customers are nobody; its version."""
    cut_off = invented_sample.AS_OF
    model = promotion.learn(invented(home), cut_off=cut_off)
    return make(model, cut_off=cut_off.isoformat(), home=home, to=to, at=at)


def make(model: LatePaymentModel, *, cut_off: str, home: Path, to: Path, at: datetime) -> str:
    """Let a model without its names be the prior among the bundles of a folder; its version.

    Its golden rows are of the invented ledger, which is written below `home`.
    """
    shared = with_golden(prior.nameless(model), invented(home))
    with TemporaryDirectory() as temporary:
        files, exported = Path(temporary) / "files", Path(temporary) / "bundle"
        files.mkdir()
        shared.save(files)
        version = f"prior-{bundle.version_of(files, cut=cut_off)}"
        facts = {"cut_off": cut_off, MODEL_SOURCE: SHARED_PRIOR}
        made_at = at.isoformat(timespec="seconds")
        bundle.export(files, to=exported, version=version, created_at=made_at, facts=facts)
        prior.require_nameless(bundle.load(exported))
        bundle.install(exported, among=to)
    bundle.crown(version, among=to)
    return version


def with_golden(model: LatePaymentModel, invented: Ledger) -> LatePaymentModel:
    """The model with its answers for some invoices of the invented ledger."""
    prepared = landmarks.prepare(invented)
    random = np.random.default_rng(SEED)
    invoice = random.integers(0, invented.invoices.num_rows, GOLDEN_ROWS)
    after = random.integers(0, DAYS, GOLDEN_ROWS)
    day = (prepared.settlement.issue_day[invoice] + after).astype(np.int32)
    peers = Peers.from_columns(model.peers)
    snapshots = landmarks.take(prepared, invoice.astype(np.int64), day, peers=peers)
    return model.with_golden(snapshots, random.integers(0, DAYS, GOLDEN_ROWS).astype(np.int32))


def invented(home: Path) -> Ledger:
    """The invented ledger, which is written below the home folder when it is first asked for."""
    folder, until = invented_sample.folder(home), invented_sample.AS_OF
    return sources.read(folder, today=until).ledger.known_before(day_number(until))
