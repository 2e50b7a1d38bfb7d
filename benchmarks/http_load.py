"""A plain HTTP/1.1 client over asyncio that costs little beside the service it asks, and load made with it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: Seconds after which a request counts as lost.
_LOST = 90.0


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        status: its status; 0 where there was no answer at all.
        seconds: from the request's first byte to the answer's last.
        began: when the request was sent, by ``time.monotonic``.
        body: its body.
    """

    status: int
    seconds: float
    began: float
    body: bytes = field(default=b"", repr=False)


def multipart(name: str, data: bytes, fields: dict[str, str] | None = None) -> tuple[bytes, str]:
    """Return a form with one file and some fields, and its content type."""
    edge = "fieldmark-benchmark"
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in (fields or {}).items()
    ]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n'
    head += "Content-Type: image/jpeg\r\n\r\n"
    body = "".join(parts).encode() + head.encode() + data + f"\r\n--{edge}--\r\n".encode()
    return body, f"multipart/form-data; boundary={edge}"


class _Stale(Exception):  # noqa: N818
    """A connection that was kept open turned out to be closed before anything was answered."""


class Connection:
    """One connection that is kept open between requests and opened again where it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, kind: str) -> Reply:
        """Send a request; an answer that doesn't come has the status 0."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(_LOST):
                status, answer = await self._ask(path, body, kind)
        except _Stale:  # it was closed for being idle as the request was sent; every client asks again then
            return await self.post(path, body, kind)
        except (OSError, EOFError, ValueError, TimeoutError):
            await self.close()
            return Reply(0, time.monotonic() - began, began)
        return Reply(status, time.monotonic() - began, began, answer)

    async def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _ask(self, path: str, body: bytes, kind: str) -> tuple[int, bytes]:
        if self._streams is None or self._streams[0].at_eof():
            await self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            fresh = True
        else:
            fresh = False
        reader, writer = self._streams
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            writer.write(head.encode() + body)
            await writer.drain()
            answer_head = await reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            if fresh or getattr(error, "partial", b""):
                raise
            await self.close()
            raise _Stale from error
        lines = answer_head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        answer = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            await self.close()
        return status, answer


async def closed_loop(port: int, path: str, body: bytes, kind: str, *, clients: int, seconds: float) -> list[Reply]:
    """Let some clients ask one request after the other; return all answers."""
    end = time.monotonic() + seconds
    replies: list[Reply] = []

    async def client() -> None:
        connection = Connection(port)
        while time.monotonic() < end:
            replies.append(await connection.post(path, body, kind))
        await connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return replies


async def open_loop(
    port: int,
    path: str,
    body: bytes,
    kind: str,
    *,
    rate: float,
    seconds: float,
    each_second: Callable[[float], None] = lambda _passed: None,
) -> list[Reply]:
    """Send so many requests a second whatever becomes of them, as many people do; return all answers.

    Args:
        port: the service's port.
        path: what is asked.
        body: what is sent.
        kind: its content type.
        rate: requests a second.
        seconds: for how long.
        each_second: told the seconds that have passed, about once a second.
    """
    start = time.monotonic()
    idle: list[Connection] = []
    waiting: set[asyncio.Task[None]] = set()
    replies: list[Reply] = []

    async def one() -> None:
        connection = idle.pop() if idle else Connection(port)
        replies.append(await connection.post(path, body, kind))
        idle.append(connection)

    sent, ticks = 0, 0
    while (passed := time.monotonic() - start) < seconds:
        if passed >= ticks:
            ticks += 1
            each_second(passed)
        while sent < rate * passed:
            task = asyncio.create_task(one())
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            sent += 1
        await asyncio.sleep(0.005)
    await asyncio.gather(*waiting)
    for connection in idle:
        await connection.close()
    return replies
