"""What a service allows: batches, queue, limits and times."""

from dataclasses import dataclass, fields

from fieldmark.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The limits of a service.

    Attributes:
        max_batch: pictures that go through a network at once.
        max_wait_ms: time in ms that the first picture of a batch waits for others.
        queue: pictures that are accepted and not yet answered; more are refused.
        explain_queue: explanations that are accepted and not yet answered.
        max_files: pictures in one request.
        max_request_bytes: bytes of one request's body.
        max_waiting_bytes: bytes of the bodies of all requests in work.
        max_pixels: pixels of one picture.
        decoders: threads that decode.
        body_timeout_s: seconds within which a body must arrive.
        timeout_s: seconds within which a request is answered or given up.
        rate_per_minute: requests a minute that one caller may make; 0 sets no limit.
        watch_s: seconds between looks at the bundles for a change; 0 never looks.
        shutdown_s: seconds that accepted work has when the service stops.

    Raises:
        ConfigError: a value below its smallest.
    """

    max_batch: int = 16
    max_wait_ms: float = 4.0
    queue: int = 64
    explain_queue: int = 8
    max_files: int = 16
    max_request_bytes: int = 32 * 2**20
    max_waiting_bytes: int = 128 * 2**20
    max_pixels: int = 50_000_000
    decoders: int = 2
    body_timeout_s: float = 20.0
    timeout_s: float = 30.0
    rate_per_minute: int = 0
    watch_s: float = 2.0
    shutdown_s: float = 30.0

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            least = 0 if entry.name in ("max_wait_ms", "rate_per_minute", "watch_s") else 1
            if value < least:
                raise ConfigError(f"{entry.name} can't be {value}.", f"Give {least} or more.")
