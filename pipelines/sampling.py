"""Training on a sample: a ledger larger than memory, a share of whose customers is learned from.

    partition("accepted/", to="buckets/", partitions=20)
    model = train("buckets/", cut_off=20_600, share=0.3)

Buckets are read one at a time, and memory follows the sample. Whole customers are drawn, because
the invoices of one go together and their features need all of its past. Each has the chance of
coming up at least once in as many drawings as the square root of its invoices over the mean:
customers with many tell more, but not as much more as they have rows. Each row then weighs one over
its customer's chance, so that what is learned is about the whole ledger. Peers and cohorts, which
are counts, are those of the whole ledger to the bit. It assumes that customers are independent of
each other.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models import cohorts
from models.cohorts import Cohorts
from models.customer_curve import PaymentRecords
from models.fitting import fit
from models.late_payment import LatePaymentModel
from pipelines import backtest, buckets, dataset, features, landmarks, peer_sums, stable_hash
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import Ledger
from pipelines.settlement import settle

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """The whole histories of the customers drawn, and what is known of all the others."""

    ledger: Ledger
    chance: Mapping[str, float]  # of each customer drawn: how probable that was
    peers: Peers  # of the whole ledger
    cohorts: Cohorts  # of the whole ledger
    customers: int  # of the whole ledger

    def weights(self, customer_ids: pa.Array) -> Floats:
        """How many customers of the ledger each of these stands for."""
        return np.array([1.0 / self.chance[name] for name in customer_ids.to_pylist()], np.float64)


def draw(partitioned: str | Path, *, cut_off: int, share: float, seed: int = 0) -> Sample:
    """A share of the customers of a partitioned ledger, each drawn by its id and the seed alone."""
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got: {share}")
    folders = buckets.folders(partitioned)
    mean = _invoices_a_customer(folders)

    chances: dict[str, float] = {}
    parts, counted, customers = [], [], 0
    for folder in folders:
        whole = buckets.read(folder).known_before(cut_off)
        counted.append(Counted.of(whole, cut_off=cut_off))
        names, invoices = _counts(whole)
        customers += len(names)
        chance = 1.0 - (1.0 - share) ** np.sqrt(np.maximum(invoices, 1.0) / mean)
        drawn = _dice(names, seed) < chance
        chances.update(
            zip(names.filter(pa.array(drawn)).to_pylist(), chance[drawn].tolist(), strict=True)
        )
        parts.append(whole.of_customers(names.filter(pa.array(drawn))).tables())
    together = {name: pa.concat_tables([part[name] for part in parts]) for name in parts[0]}
    peers, learned = of_the_whole(counted, cut_off=cut_off)
    return Sample(Ledger(**together), chances, peers, learned, customers)


def train(
    partitioned: str | Path,
    *,
    cut_off: int,
    share: float,
    seed: int = 0,
    tuned: Mapping[str, float] | None = None,
    looking_at: Collection[str] | None = None,
) -> LatePaymentModel:
    """The model of what was known before the cut-off, learned from a share of the customers."""
    sample = draw(partitioned, cut_off=cut_off, share=share, seed=seed)
    built = dataset.build(
        sample.ledger,
        cut_off=cut_off,
        seed=seed,
        peers=sample.peers,
        cohorts_known=sample.cohorts,
    )
    known = settle(sample.ledger).customer_ids
    weights = sample.weights(known)
    rows = backtest.narrowed(built.rows, looking_at)
    return fit(
        replace(rows, sample_weight=weights[rows.customer]),
        cohorts=built.cohorts,
        peers=built.peers.as_columns(),
        cut_off=cut_off,
        seed=seed,
        tuned=tuned,
        facts={
            "feature_book": features.fingerprint(),
            "sample": {
                "share": share,
                "customers": len(sample.chance),
                "of_customers": sample.customers,
                "weights": [round(float(weights.min()), 4), round(float(weights.max()), 4)],
            },
        },
    )


@dataclass(frozen=True)
class Counted:
    """What a bucket tells of the whole ledger: the counts of its peers, and how it paid."""

    peers: pa.Table
    paid: "_Paid"

    @classmethod
    def of(cls, known: Ledger, *, cut_off: int) -> "Counted":
        """What the bucket tells that was known before the cut-off."""
        prepared = landmarks.prepare(known)
        peers = Peers.build(known, prepared.settlement, known_until=cut_off)
        return cls(peers.as_columns(), _Paid.of(prepared))


def of_the_whole(counted: Sequence[Counted], *, cut_off: int) -> tuple[Peers, Cohorts]:
    """The peers and cohorts of the whole ledger, to the bit."""
    peers = peer_sums.added([part.peers for part in counted])
    return peers, _cohorts([part.paid for part in counted], cut_off=cut_off)


@dataclass(frozen=True)
class _Paid:
    """What the cohorts learn from a bucket: a few days of each invoice, and when money moved."""

    records: PaymentRecords
    cohort: pa.Array  # of each record, by name
    moved: npt.NDArray[np.int32]

    @classmethod
    def of(cls, prepared: Prepared) -> "_Paid":
        which = pa.array(prepared.cohort[prepared.record_invoice])
        names = pa.array(prepared.cohort_names, pa.string()).take(which)
        moved = prepared.settlement.movements.known_day.astype(np.int32)
        return cls(prepared.records, names, moved)


def _cohorts(paid: list[_Paid], *, cut_off: int) -> Cohorts:
    """The cohorts of the whole ledger, to the bit: counts of whole numbers, in whatever order."""
    begin = dataset.first_watched(np.concatenate([part.moved for part in paid]))
    named = pa.chunked_array([part.cohort for part in paid]).combine_chunks().dictionary_encode()
    together = PaymentRecords(
        **{
            column.name: np.concatenate([getattr(part.records, column.name) for part in paid])
            for column in fields(PaymentRecords)
        }
    )
    return cohorts.learn(
        together,
        named.dictionary.to_pylist(),
        named.indices.to_numpy().astype(np.int64),
        known_on=dataset.knots(begin, cut_off=cut_off),
        observed_from=begin,
    )


def _invoices_a_customer(folders: list[Path]) -> float:
    """How many invoices a customer that has any has on average, from one column read by bucket."""
    invoices, customers = 0, 0
    for folder in folders:
        ids = buckets.read(folder, columns={"invoices": ["customer_id"]}).invoices["customer_id"]
        invoices, customers = invoices + len(ids), customers + len(ids.unique())
    return max(invoices / max(customers, 1), 1.0)


def _counts(ledger: Ledger) -> tuple[pa.Array, Floats]:
    """The bucket's customers, and how many invoices each has."""
    names = ledger.customers["customer_id"].combine_chunks()
    found = names.dictionary_encode()
    codes = ledger.invoices["customer_id"].combine_chunks()
    at = pc.index_in(codes, value_set=found.dictionary).drop_null().to_numpy()
    counts = np.bincount(at, minlength=len(found.dictionary))
    return found.dictionary, counts.astype(np.float64)


def _dice(names: pa.Array, seed: int) -> Floats:
    """A number from 0 to 1 for each customer, the same whatever else the ledger holds."""
    salted = stable_hash.of_strings(names) ^ stable_hash.mix(np.full(len(names), seed, np.uint64))
    return (stable_hash.mix(salted) >> np.uint64(11)).astype(np.float64) / 2.0**53
