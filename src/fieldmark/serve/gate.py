"""What every request passes before anything else sees it: origin, key, rate, room, size; and what every answer gets.

A plain ASGI layer. A body is read here, whole, within its limits of bytes and time; so whatever comes after has it at
once, and a refused request costs no more than its headers.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fieldmark.serve.admission import Places, RateLimit
from fieldmark.serve.faults import code_of, fault, fault_bytes, headers_of, status_of
from fieldmark.serve.keys import ApiKeys
from fieldmark.serve.metrics import ServiceMetrics
from fieldmark.serve.refusals import Forbidden, Refusal, TooLarge, TooSlow, busy
from fieldmark.serve.settings import ServiceSettings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOG = logging.getLogger("fieldmark.serve")

#: Nothing but files of this service; pictures also from what the page itself holds.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_SECURITY = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

#: Routes by their names in the log and the metrics; whatever else is asked for is ``other``, so that names don't grow.
_ROUTES = frozenset(
    {
        "/",
        "/docs",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/v1/classes",
        "/v1/explain",
        "/v1/feedback",
        "/v1/models",
        "/v1/predict",
        "/v1/reload",
    }
)

#: The routes of the page's own files.
_PAGES = frozenset({"/", "/docs", "/static"})

#: What a caller is told of a mistake in the service itself; the log has the rest.
_BUG = json.dumps(fault("bug", "Something went wrong here.", "Tell whoever runs the service.")).encode()

#: Requests with a body that are read and answered beside those in the queues.
_SPARE = 16

#: Seconds for which the body of a refused request is read and thrown away, so that its sender hears why.
_DRAIN_S = 2.0


@dataclass(slots=True)
class _Exchange:
    """One request on its way, and what became of it."""

    id: str
    started: float
    caller: str = ""
    status: int = 0
    sent: int = 0
    received: int = 0
    refused: str = ""


class Gate:
    """Lets requests through to an application, or refuses them.

    Args:
        app: the application.
        settings: what is allowed.
        metrics: what counts.
        keys: the keys that are taken; ``None`` lets everyone in.
        wait_for: the seconds after which a route that is full may be asked again; ``None`` where it has room.
    """

    def __init__(
        self,
        app: Application,
        settings: ServiceSettings,
        metrics: ServiceMetrics,
        keys: ApiKeys | None = None,
        *,
        wait_for: Callable[[str], float | None] = lambda _route: None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._keys = keys
        self._wait_for = wait_for
        self._rate = RateLimit(settings.rate_per_minute)
        self._requests = Places(settings.queue + settings.explain_queue + _SPARE, "requests")
        self._bytes = Places(max(settings.max_waiting_bytes, settings.max_request_bytes), "bytes")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection as ASGI wants it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(id=secrets.token_hex(8), started=time.monotonic())
        answer = self._guarded(scope, exchange, send)
        try:
            self._let_in(scope, exchange)
            with self._room(scope):
                body = await self._body(receive, exchange)
                await self._app(scope, _replayed(body, receive), answer)
        except Refusal as refusal:
            exchange.refused = code_of(refusal)
            await self._drain(scope, receive, exchange)
            await _send(status_of(refusal), fault_bytes(refusal), headers_of(refusal), answer)
        except Exception:
            _LOG.exception("bug", extra={"facts": {"id": exchange.id, "route": _route(str(scope["path"]))}})
            exchange.refused = "bug"
            if not exchange.status:  # else half an answer is out, and the connection ends here
                await _send(500, _BUG, {}, answer)
        finally:
            self._record(scope, exchange)

    def _let_in(self, scope: Scope, exchange: _Exchange) -> None:
        """Look at the headers alone.

        Raises:
            Refusal: another page sent the request, or its key isn't known, or it is one too many.
        """
        path = str(scope["path"])
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            _refuse_other_pages(headers)
        client = scope.get("client")
        caller = str(client[0]) if client else ""
        if path.startswith("/v1/") or path == "/metrics":
            if self._keys is not None:
                exchange.caller = caller = self._keys.owner(_key(headers))
            elif path == "/v1/reload":
                raise Forbidden("Without keys, bundles can't be reloaded from here.", "Send the process SIGHUP.")
            self._rate.take(caller)
        scope.setdefault("state", {})["caller"] = exchange.caller

    @contextmanager
    def _room(self, scope: Scope) -> Iterator[None]:
        """Hold a place, and room for the body, while a request with one is in work.

        Raises:
            Busy: there is none, or none where the request is to wait.
            TooLarge: the body says that it is larger than any may be.
        """
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            yield
            return
        wait = self._wait_for(_route(str(scope["path"])))
        if wait is not None:
            raise busy(wait)
        most = self._settings.max_request_bytes
        length = _length(scope)
        if length is not None and length > most:
            raise TooLarge(f"The request has {length:,} bytes; at most {most:,} are taken.", "Send less at once.")
        with self._requests.taken(1), self._bytes.taken(most if length is None else length):
            yield

    async def _body(self, receive: Receive, exchange: _Exchange) -> bytes:
        """Read the body.

        Raises:
            TooLarge: it is larger than any may be.
            TooSlow: it takes too long.
        """
        most, limit = self._settings.max_request_bytes, self._settings.body_timeout_s
        blocks: list[bytes] = []
        try:
            async with asyncio.timeout(limit):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        break
                    blocks.append(message.get("body", b""))
                    exchange.received += len(blocks[-1])
                    if exchange.received > most:
                        raise TooLarge(f"The request has more than {most:,} bytes.", "Send less at once.")
                    if not message.get("more_body", False):
                        break
        except TimeoutError as error:
            raise TooSlow(f"The request took longer than {limit:g} s to arrive.", "Send it again.") from error
        return b"".join(blocks)

    async def _drain(self, scope: Scope, receive: Receive, exchange: _Exchange) -> None:
        """Throw away what is still on its way, for a while; else the answer would be lost with the connection."""
        if scope["method"] in ("GET", "HEAD", "OPTIONS") or exchange.refused == TooSlow.code:
            return
        left = self._settings.max_request_bytes
        try:
            async with asyncio.timeout(_DRAIN_S):
                while left > 0:
                    message = await receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return  # whoever sends so slowly may miss the answer

    def _guarded(self, scope: Scope, exchange: _Exchange, send: Send) -> Send:
        """Return what sends an answer with the headers that all have."""
        # A browser may keep the page, and asks whether it is still good; answers about pictures it doesn't keep.
        kept = b"no-cache" if _route(str(scope["path"])) in _PAGES else b"no-store"

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                more = [*_SECURITY, (b"x-request-id", exchange.id.encode()), (b"cache-control", kept)]
                message["headers"] = [*message.get("headers", []), *more]
            elif message["type"] == "http.response.body":
                exchange.sent += len(message.get("body", b""))
            await send(message)

        return answer

    def _record(self, scope: Scope, exchange: _Exchange) -> None:
        seconds = time.monotonic() - exchange.started
        route = _route(str(scope["path"]))
        self._metrics.request(route, exchange.status, seconds)
        if exchange.refused:
            self._metrics.refused(exchange.refused)
        facts = {
            "id": exchange.id,
            "method": str(scope["method"])[:10],
            "route": route,
            "status": exchange.status,
            "ms": round(1000 * seconds, 1),
            "received": exchange.received,
            "sent": exchange.sent,
            "caller": exchange.caller,
        }
        _LOG.info("request", extra={"facts": facts})


def _refuse_other_pages(headers: dict[str, str]) -> None:
    """Refuse what a page of another origin makes a browser send: it needs no permission to send a form.

    Raises:
        Forbidden: the browser says that another page sent it.
    """
    site = headers.get("sec-fetch-site", "")
    origin = headers.get("origin")
    other = origin is not None and origin.partition("://")[2] != headers.get("host", "")
    if site in ("cross-site", "same-site") or (other and site != "same-origin"):
        raise Forbidden("This request comes from another page.", "Send it from this service's page, or from a program.")


def _key(headers: dict[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return headers.get("x-api-key")


def _length(scope: Scope) -> int | None:
    """Return how many bytes a request says that its body has; ``None`` where it doesn't say."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            text = value.decode("latin-1")
            return int(text) if text.isascii() and text.isdigit() else None
        if name == b"transfer-encoding":
            return None
    return 0


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives the application a body that was read."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _route(path: str) -> str:
    if path in _ROUTES:
        return path
    return "/static" if path.startswith("/static/") else "other"


async def _send(status: int, body: bytes, more: Mapping[str, str], send: Send) -> None:
    headers = {"content-type": "application/json", "content-length": str(len(body)), **more}
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
