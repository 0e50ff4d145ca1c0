"""GET /metrics: what the service counts and measures of itself, as Prometheus reads it."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.responses import Response

from pipelines.snapshot import Wanted
from serving.answers import BANDS
from serving.at_hand import AtHand
from serving.limits import Gate
from serving.logs import Seen
from serving.problems import declared

logger = logging.getLogger(__name__)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
PARTS = ("model", "records", "scores")
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # where several processes add up what they count


class Requests:
    """Requests by route and status, and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.answered = Counter(
            "puntuale_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "puntuale_request_seconds",
            "From the request's head to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )

    def watch(self, seen: Seen) -> None:
        self.answered.labels(seen.method, seen.route, str(seen.status)).inc()
        self.seconds.labels(seen.route).observe(seen.ms / 1000)


@dataclass(eq=False)
class Standing(Collector):
    """What is at hand at the moment of asking: the model, the scores, the queue."""

    at_hand: AtHand
    gate: Gate
    _bands: tuple[str, dict[str, int]] = ("", {})

    def collect(self) -> Iterator[Metric]:
        yield from self._load()
        yield from self._model()
        yield from self._scores()
        away = GaugeMetricFamily("puntuale_away", "1 for a part that is away.", labels=["part"])
        for part in PARTS:
            away.add_metric([part], float(part in self.at_hand.parts_away()))
        yield away

    def _load(self) -> Iterator[Metric]:
        places = self.at_hand.places
        yield _gauge("requests_under_way", "What is under way weighs.", self.gate.under_way())
        yield _gauge("scoring_queue", "Requests that wait for scoring or score.", places.waiting)
        refused = CounterMetricFamily(
            "puntuale_refused", "Requests refused for want of a place.", labels=["why"]
        )
        for why, count in sorted(self.gate.refused.items()):
            refused.add_metric([why], count)
        yield refused
        reloads = CounterMetricFamily(
            "puntuale_reloads", "Models and scores that were taken up.", labels=["what", "came"]
        )
        for (what, came), count in sorted(self.at_hand.reloads.items()):
            reloads.add_metric([what, came], count)
        yield reloads

    def _model(self) -> Iterator[Metric]:
        model, today = self.at_hand.model, self.at_hand.today()
        info = GaugeMetricFamily("puntuale_model", "1 for the model.", labels=["version"])
        if model is not None:
            info.add_metric([model.version], 1)
        yield info
        if (made := self.at_hand.model_made_on) is not None:
            yield _gauge("model_age_days", "Since the model was made.", (today - made).days)

    def _scores(self) -> Iterator[Metric]:
        snapshot = self.at_hand.snapshot()
        if snapshot is None:
            return
        if self._bands[0] != snapshot.name:
            self._bands = (snapshot.name, {b: snapshot.count(Wanted(band=b)) for b in BANDS})
        bands = GaugeMetricFamily("puntuale_scores", "Scores that are read.", labels=["band"])
        for band, count in self._bands[1].items():
            bands.add_metric([band], count)
        yield bands
        facts = snapshot.manifest["facts"]
        findings = (facts.get("health") or {}).get("findings", ())
        age, held = self.at_hand.age_days(snapshot), snapshot.manifest.get("quarantined", 0)
        yield _gauge("scores_age_days", "Since the day that the scores are of.", age)
        yield _gauge("quarantined_rows", "Rows of the ledger that could not be used.", held)
        yield _gauge("drift_findings", "What monitoring found that night.", len(findings))


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"puntuale_{name}", about, value=value)


class Metrics:
    """Everything that is measured; one registry for each application."""

    def __init__(self, at_hand: AtHand, gate: Gate) -> None:
        self._own = CollectorRegistry()
        self.requests = Requests(self._own)
        self._standing = CollectorRegistry()
        self._standing.register(Standing(at_hand, gate))

    def text(self) -> bytes:
        """As Prometheus reads it; of several processes what all of them counted."""
        counted = self._own
        if os.environ.get(SHARED):
            counted = CollectorRegistry()
            multiprocess.MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
        return generate_latest(counted) + generate_latest(self._standing)


def routes(metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get(
        "/metrics",
        summary="What the service measures of itself",
        response_class=Response,
        responses={
            200: {
                "content": {"text/plain": {"schema": {"type": "string"}}},
                "description": "Prometheus's text format",
            },
            **declared(401, 403, 503),
        },
    )
    def get_metrics() -> Response:
        """For Prometheus; needs a key with the scope read, wherever keys are needed."""
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
