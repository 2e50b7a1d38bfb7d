"""What the service counts, for Prometheus."""

from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

#: Upper ends of the classes of times, in s.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

#: Upper ends of the classes of batches, in pictures.
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)

CONTENT_TYPE: str = CONTENT_TYPE_LATEST


class ServiceMetrics:
    """Counters of one service; each has its own, so that two in one process don't mix.

    Args:
        waiting: returns how many items wait: model → queue → number.
        ready: returns whether the service takes requests.
    """

    def __init__(self, waiting: Callable[[], Mapping[str, Mapping[str, int]]], ready: Callable[[], bool]) -> None:
        self._registry = CollectorRegistry()
        self._waiting = waiting
        self._ready = ready
        self._requests = self._counter("requests", "Requests by route and status.", ("route", "status"))
        self._refused = self._counter("refused", "Requests that were refused, by reason.", ("code",))
        self._pictures = self._counter("pictures", "Pictures, by outcome.", ("outcome",))
        self._feedback = self._counter("feedback", "Corrections kept.", ())
        self._reloads = self._counter("reloads", "Bundles loaded anew, by outcome.", ("model", "outcome"))
        self._seconds = Histogram(
            "fieldmark_request_seconds",
            "Seconds from a request to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "fieldmark_batch_size", "Items in a batch.", ("queue",), buckets=_SIZES, registry=self._registry
        )
        self._batch_seconds = Histogram(
            "fieldmark_batch_seconds", "Seconds a batch took.", ("queue",), buckets=_SECONDS, registry=self._registry
        )
        self._depth = Gauge("fieldmark_waiting", "Items that wait.", ("model", "queue"), registry=self._registry)
        self._state = Gauge("fieldmark_ready", "1 where requests are taken.", registry=self._registry)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, code: str) -> None:
        """Count a refusal."""
        self._refused.labels(code).inc()

    def picture(self, *, broken: bool) -> None:
        """Count a picture."""
        self._pictures.labels("broken" if broken else "answered").inc()

    def feedback(self) -> None:
        """Count a correction."""
        self._feedback.inc()

    def reload(self, model: str, succeeded: bool) -> None:
        """Count a reload."""
        self._reloads.labels(model, "loaded" if succeeded else "failed").inc()

    def batch(self, queue: str, size: int, seconds: float) -> None:
        """Count a batch."""
        self._batches.labels(queue).observe(size)
        self._batch_seconds.labels(queue).observe(seconds)

    def text(self) -> bytes:
        """Return all figures in Prometheus's format."""
        for model, queues in self._waiting().items():
            for queue, depth in queues.items():
                self._depth.labels(model, queue).set(depth)
        self._state.set(int(self._ready()))
        return generate_latest(self._registry)

    def _counter(self, name: str, help_text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"fieldmark_{name}", help_text, labels, registry=self._registry)
