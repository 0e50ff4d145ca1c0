"""GET /metrics: what the service counts and measures of itself, as Prometheus reads it."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple, Protocol

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
TENANT = "tenant"  # the label that says whose a figure is, where there are several companies
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # where several processes add up what they count


class Measure(NamedTuple):
    """A family of figures as Prometheus and the documentation name it."""

    kind: Literal["counter", "gauge", "histogram"]
    about: str
    labels: tuple[str, ...] = ()


MEASURES: Mapping[str, Measure] = {
    "puntuale_requests_total": Measure(
        "counter", "Requests that were answered.", ("method", "route", "status")
    ),
    "puntuale_request_seconds": Measure(
        "histogram", "From the request's head to the end of its answer.", ("route",)
    ),
    "puntuale_requests_under_way": Measure("gauge", "What is under way weighs."),
    "puntuale_scoring_queue": Measure("gauge", "Requests that wait for scoring or score."),
    "puntuale_refused_total": Measure("counter", "Requests refused for want of a place.", ("why",)),
    "puntuale_reloads_total": Measure(
        "counter", "Models and scores that were taken up.", ("what", "came")
    ),
    "puntuale_model": Measure("gauge", "1 for the model.", ("version",)),
    "puntuale_model_age_days": Measure("gauge", "Since the model was made."),
    "puntuale_scores": Measure("gauge", "Scores that are read.", ("band",)),
    "puntuale_scores_age_days": Measure("gauge", "Since the day that the scores are of."),
    "puntuale_quarantined_rows": Measure("gauge", "Rows of the ledger that could not be used."),
    "puntuale_drift_findings": Measure("gauge", "What monitoring found that night."),
    "puntuale_away": Measure("gauge", "1 for a part that is away.", ("part",)),
}


class Requests:
    """Requests by route and status, and how long they took; of several companies each its own."""

    def __init__(self, registry: CollectorRegistry, tenant: str | None = None) -> None:
        self._tenant = () if tenant is None else (tenant,)
        also = () if tenant is None else (TENANT,)
        total, seconds = "puntuale_requests_total", "puntuale_request_seconds"
        _, about, labels = MEASURES[total]
        self.answered = Counter(total, about, labels + also, registry=registry)
        _, about, labels = MEASURES[seconds]
        names = labels + also
        self.seconds = Histogram(seconds, about, names, buckets=SECONDS, registry=registry)

    def watch(self, seen: Seen) -> None:
        self.answered.labels(seen.method, seen.route, str(seen.status), *self._tenant).inc()
        self.seconds.labels(seen.route, *self._tenant).observe(seen.ms / 1000)


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
        away = self.at_hand.parts_away()
        yield _family("puntuale_away", [((part,), float(part in away)) for part in PARTS])

    def _load(self) -> Iterator[Metric]:
        places, gate = self.at_hand.places, self.gate
        yield _family("puntuale_requests_under_way", [((), gate.under_way())])
        yield _family("puntuale_scoring_queue", [((), places.waiting)])
        refused = [((why,), count) for why, count in sorted(gate.refused.items())]
        yield _family("puntuale_refused_total", refused)
        yield _family("puntuale_reloads_total", sorted(self.at_hand.reloads.items()))

    def _model(self) -> Iterator[Metric]:
        model, today = self.at_hand.model, self.at_hand.today()
        yield _family("puntuale_model", [] if model is None else [((model.version,), 1)])
        if (made := self.at_hand.model_made_on) is not None:
            yield _family("puntuale_model_age_days", [((), (today - made).days)])

    def _scores(self) -> Iterator[Metric]:
        snapshot = self.at_hand.snapshot()
        if snapshot is None:
            return
        if self._bands[0] != snapshot.name:
            self._bands = (snapshot.name, {b: snapshot.count(Wanted(band=b)) for b in BANDS})
        yield _family("puntuale_scores", [((b,), count) for b, count in self._bands[1].items()])
        facts = snapshot.manifest["facts"]
        findings = (facts.get("health") or {}).get("findings", ())
        held = snapshot.manifest.get("quarantined", 0)
        yield _family("puntuale_scores_age_days", [((), self.at_hand.age_days(snapshot))])
        yield _family("puntuale_quarantined_rows", [((), held)])
        yield _family("puntuale_drift_findings", [((), len(findings))])


def _family(name: str, figures: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    """The figures of a measure, each with its labels; a measure without labels has one figure."""
    kind, about, labels = MEASURES[name]
    made = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    family = made(name, about, labels=labels)
    for values, figure in figures:
        family.add_metric(values, figure)
    return family


class Metrics:
    """Everything that is measured; one registry for each application."""

    def __init__(self, at_hand: AtHand, gate: Gate, *, tenant: str | None = None) -> None:
        self.tenant = tenant
        self._own = CollectorRegistry()
        self.requests = Requests(self._own, tenant)
        self._standing = Standing(at_hand, gate)

    def text(self) -> bytes:
        """As Prometheus reads it; of several processes what all of them counted."""
        return as_text(chain(self.counted(), self.standing()))

    def counted(self) -> Iterable[Metric]:
        """What was counted here, or by all processes together; of one tenant what is its own."""
        if not are_shared():
            return self._own.collect()
        found = counted_together()
        return found if self.tenant is None else _only(found, self.tenant)

    def standing(self) -> Iterator[Metric]:
        """What stands at the moment of asking."""
        for metric in self._standing.collect():
            if self.tenant is not None:
                whose = {TENANT: self.tenant}
                metric.samples = [s._replace(labels={**s.labels, **whose}) for s in metric.samples]
            yield metric


def are_shared() -> bool:
    """Whether several processes count together."""
    return bool(os.environ.get(SHARED))


def counted_together() -> Iterable[Metric]:
    """What several processes have counted, added up."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry.collect()


def as_text(metrics: Iterable[Metric]) -> bytes:
    """Metrics as Prometheus reads them, those of one name together."""
    named: dict[str, Metric] = {}
    for metric in metrics:
        if metric.name in named:
            named[metric.name].samples += metric.samples
        else:
            named[metric.name] = metric
    registry = CollectorRegistry()
    registry.register(_Given(list(named.values())))
    return generate_latest(registry)


@dataclass(eq=False)
class _Given(Collector):
    metrics: Sequence[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.metrics


def _only(metrics: Iterable[Metric], tenant: str) -> Iterator[Metric]:
    for metric in metrics:
        metric.samples = [s for s in metric.samples if s.labels.get(TENANT) == tenant]
        yield metric


class Told(Protocol):
    """Whatever tells what is measured."""

    def text(self) -> bytes: ...


def routes(metrics: Told) -> APIRouter:
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
