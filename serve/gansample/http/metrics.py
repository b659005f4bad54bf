"""The metrics that Prometheus scrapes at /metrics."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from gansample.http.models import Models

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One registry for one app, so that two apps in a process do not count for each other."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("gansample_requests", "Answered", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "gansample_request_seconds", "From first byte to last", ["route"], buckets=_BUCKETS, registry=self.registry
        )
        self.pictures = Counter("gansample_pictures", "Sent", registry=self.registry)
        self._drawn = Gauge("gansample_drawn_pictures", "By the engine", ["model"], registry=self.registry)
        self._waiting = Gauge("gansample_waiting_pictures", "In the queue", ["model"], registry=self.registry)
        self._reloads = Gauge("gansample_reloads", "Newer exports met", ["outcome"], registry=self.registry)
        self._ready = Gauge("gansample_ready", "1 where every engine runs", registry=self.registry)

    def render(self, models: Models) -> Response:
        for model in models:
            self._drawn.labels(model.name).set(model.inference_engine.drawn)
            self._waiting.labels(model.name).set(model.inference_engine.waiting)
        for outcome, count in models.reloads.items():
            self._reloads.labels(outcome).set(count)
        self._ready.set(models.ready)
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
