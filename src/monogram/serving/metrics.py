"""Figures for Prometheus at `/metrics`: what is asked, how long it takes, how much there is to do. No ids, no
texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monogram.serving.service import Service

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The figures of one service."""

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Now(service))
        self.requests = Counter(
            "monogram_requests", "Requests by route and outcome.", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "monogram_request_seconds",
            "Seconds from a request to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )

    def note(self, route: str, status: int, seconds: float) -> None:
        """One request has ended."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry)


class _Now(Collector):
    """What is so at the moment."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        return list(self._collected())

    def _collected(self) -> Iterator[Metric]:
        answers, edits = self._service.answers, self._service.edits
        load = answers.load
        yield GaugeMetricFamily("monogram_answers_running", "Answers that are being written.", load.running)
        yield GaugeMetricFamily("monogram_answers_waiting", "Answers that wait for a place.", load.waiting)
        yield GaugeMetricFamily("monogram_changes_waiting", "Changes that have not ended.", edits.waiting)
        yield CounterMetricFamily("monogram_tokens", "Tokens written.", value=answers.tokens)
        for name, (what, count) in answers.figures.items():
            if name.endswith("_total"):
                yield CounterMetricFamily(f"monogram_{name.removesuffix('_total')}", what, value=count)
            else:
                yield GaugeMetricFamily(f"monogram_{name}", what, count)
