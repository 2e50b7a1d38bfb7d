"""Does anything that a caller can send break the service, fill its memory, or write where it shouldn't?

    python benchmarks/hostile_requests.py

The service runs in a process of its own in an empty folder, which is also its home and its folder of temporary files.
2,000 requests (200 with --quick) are made and sent to it, by fixed seeds:

* half by schemathesis from the service's own OpenAPI description, valid and invalid by turns: parameters, forms,
  files, headers, methods;
* half by hypothesis around uploads: pictures cut off, mixed up, with bytes exchanged, two formats in one file,
  claims of billions of pixels, archives and scripts named as pictures; names that climb folders, hold control letters
  or are very long; huge headers, lying lengths, forms without an end, bodies without an end.

No answer may be a 5xx but an intended 503, the process must live, no file may appear outside the folder of corrections
(the log of the benchmark apart), and memory must stay below a bound: what the process has after the first pictures, and
what a full queue may hold at once. An answer that never comes (2xx to 4xx aside) counts as a fault, too, except where
the request itself has no end.
"""

import argparse
import contextlib
import io
import socket
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import numpy as np
import requests
import schemathesis
from hypothesis import strategies as st
from PIL import Image

from record import Row, write_results
from served_process import ServedProcess, write_run

#: What the service may hold beside what it has at rest, in MB: two pictures being decoded, copies, a queue's bytes.
ROOM_MB = 900.0

MAX_PIXELS = 10_000_000
MAX_MB = 8
OPTIONS = ["--max-pixels", str(MAX_PIXELS), "--max-mb", str(MAX_MB), "--keep-pictures", "--watch", "0"]

#: Seconds to wait for an answer.
PATIENCE = 90.0

FORMS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")


class Seen:
    """What became of the requests.

    Attributes:
        statuses: how often each status came; 0 is no answer.
        memory_mb: the most memory that was seen.
        faults: what was wrong, in words.
    """

    def __init__(self, service: ServedProcess) -> None:
        self._service = service
        self.statuses: Counter[int] = Counter()
        self.memory_mb = 0.0
        self.faults: list[str] = []

    @property
    def count(self) -> int:
        """How many requests were sent."""
        return sum(self.statuses.values())

    def note(self, status: int, what: str, *, may_be_silent: bool = False) -> None:
        """Count an answer; what may not be is a fault."""
        self.statuses[status] += 1
        if self.count % 10 == 0 and self._service.alive:
            self.memory_mb = max(self.memory_mb, self._service.memory_mb())
        if (status >= 500 and status != 503) or (status == 0 and not may_be_silent):
            self.faults.append(f"{status}: {what[:300]}")


def main() -> None:
    """Send the requests and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 requests")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    total = 200 if arguments.quick else 2000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = write_run(folder / "run")
        work, said = folder / "work", folder / "said"
        with ServedProcess([str(run)], [*OPTIONS, "--feedback", str(said)], work) as service:
            seen = Seen(service)
            for _ in range(20):
                send_upload(service, seen, valid("JPEG"), "a.jpg")
            at_rest = service.memory_mb()
            before = files_below(folder, said)
            send_described(service, seen, total // 2)
            send_uploads(service, seen, total - total // 2)
            after = files_below(folder, said)
            alive = service.alive and requests.get(f"{service.address}/readyz", timeout=PATIENCE).ok
    for fault in seen.faults[:20]:
        print("fault:", fault)
    strange = sorted(after - before)
    print("files:", *strange[:10]) if strange else None
    write_results(
        "hostile_requests",
        result_rows(seen, at_rest, len(strange), alive=alive),
        out=arguments.out,
        quick=arguments.quick,
        notes={"statuses": ", ".join(f"{status}: {count}" for status, count in sorted(seen.statuses.items()))},
    )


def result_rows(seen: Seen, at_rest: float, strange: int, *, alive: bool) -> list[Row]:
    """Say what was found."""
    more = seen.memory_mb - at_rest
    wrong = sum(count for status, count in seen.statuses.items() if status >= 500 and status != 503)
    return [
        Row("requests sent", float(seen.count)),
        Row("answered by 5xx other than 503", float(wrong), goal="0", holds=wrong == 0),
        Row(
            "other faults, such as no answer",
            float(len(seen.faults) - wrong),
            goal="0",
            holds=len(seen.faults) == wrong,
        ),
        Row("refused with 503", float(seen.statuses[503])),
        Row("files outside the folder of corrections", float(strange), goal="0", holds=strange == 0),
        Row("memory at rest, MB", round(at_rest, 1)),
        Row("memory beside that at most, MB", round(more, 1), goal=f"<= {ROOM_MB:.0f}", holds=more <= ROOM_MB),
        Row("alive and ready at the end", float(alive), goal="1", holds=alive),
    ]


def files_below(folder: Path, but: Path) -> set[str]:
    """Return the files below a folder, those of another left out."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_relative_to(but))
    return {str(path.relative_to(folder)) for path in found if path.name != "log.jsonl"}


def drawn(strategy: st.SearchStrategy[object], count: int, use: Callable[[object], None], *, seed: int = 1) -> None:
    """Use so many values of a strategy, always the same ones; none of one that has none."""
    settings = hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )

    @hypothesis.seed(seed)
    @settings
    @hypothesis.given(strategy)
    def once(value: object) -> None:
        use(value)

    # An operation without any parameter can't be asked wrongly.
    with contextlib.suppress(hypothesis.errors.Unsatisfiable):
        once()


def send_described(service: ServedProcess, seen: Seen, count: int) -> None:
    """Send what schemathesis makes from the service's description, valid and invalid by turns."""
    schema = schemathesis.openapi.from_url(f"{service.address}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    modes = list(schemathesis.GenerationMode)
    end = seen.count + count

    def send(case: object) -> None:
        if seen.count >= end:
            return
        try:
            answer = case.call(timeout=PATIENCE)  # type: ignore[attr-defined]
            seen.note(answer.status_code, repr(case))
        except (requests.exceptions.InvalidHeader, UnicodeError):
            return  # the client itself refuses to send it
        except requests.exceptions.RequestException as error:
            seen.note(0, f"{case!r}: {error}")

    for seed in range(1, 50):
        each = -(-(end - seen.count) // (len(operations) * len(modes)))
        for operation in operations:
            for mode in modes:
                drawn(operation.as_strategy(generation_mode=mode), each, send, seed=seed)
        if seen.count >= end:
            return


def send_uploads(service: ServedProcess, seen: Seen, count: int) -> None:
    """Send hostile files under hostile names, and requests that are none."""
    raw = list(raw_requests())
    for head, silent in raw[: max(1, count // 20)]:
        send_raw(service, seen, head, may_be_silent=silent)

    def send(value: object) -> None:
        data, name, path = value  # type: ignore[misc]
        send_upload(service, seen, data, name, path)

    paths = st.sampled_from(("/v1/predict", "/v1/predict?maps=true", "/v1/explain", "/v1/feedback"))
    drawn(st.tuples(hostile_files(), hostile_names(), paths), count - min(len(raw), max(1, count // 20)), send)


def send_upload(service: ServedProcess, seen: Seen, data: bytes, name: str, path: str = "/v1/predict") -> None:
    """Send a file in a form that is made by hand, so that nothing corrects its name."""
    field = "files" if "predict" in path else "file"
    shown = name.encode("utf-8", "surrogatepass").replace(b"\r", b"").replace(b"\n", b"").replace(b'"', b"%22")
    edge = b"edge-of-the-form"
    body = b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n' % (edge, field.encode(), shown)
    body += b"Content-Type: image/png\r\n\r\n" + data + b"\r\n--" + edge + b"--\r\n"
    kind = {"Content-Type": f"multipart/form-data; boundary={edge.decode()}"}
    try:
        answer = requests.post(service.address + path, data=body, headers=kind, timeout=PATIENCE)
        seen.note(answer.status_code, f"{path} {name!r} {len(data)} bytes: {answer.text[:200]}")
    except requests.exceptions.RequestException as error:
        seen.note(0, f"{path} {name!r}: {error}")


def send_raw(service: ServedProcess, seen: Seen, head: bytes, *, may_be_silent: bool) -> None:
    """Send bytes over a bare connection, and read the status of the answer."""
    answer = b""
    try:
        with socket.create_connection(
            ("127.0.0.1", service.port), timeout=8 if may_be_silent else PATIENCE
        ) as connection:
            connection.sendall(head)
            answer = connection.recv(4096)
    except OSError:
        pass
    words = answer.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    seen.note(status, repr(head[:120]), may_be_silent=may_be_silent)


def raw_requests() -> Iterator[tuple[bytes, bool]]:
    """Yield requests that no client library would send, and whether they may go without an answer."""
    post = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\n"
    yield b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", True
    yield b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: a\r\n" % i for i in range(20_000)) + b"\r\n", True
    yield b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", True
    yield post + b"Content-Length: 99999999999999999999\r\n\r\nx", True
    yield post + b"Content-Length: -5\r\n\r\n", True
    yield post + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", True
    yield post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True
    yield post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", True
    yield post + b"Transfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" + b"x" * 65535 + b"\r\n", True
    yield post + b"Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc", False
    yield post + b"Content-Type: multipart/form-data; boundary=\r\nContent-Length: 3\r\n\r\nabc", False
    yield (
        post + b"Content-Type: multipart/form-data; boundary=" + b"b" * 9000 + b"\r\nContent-Length: 3\r\n\r\nabc",
        False,
    )
    yield post + b'Content-Type: multipart/form-data; boundary="\xff\xfe"\r\nContent-Length: 3\r\n\r\nabc', False
    yield post + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 4\r\n\r\n--x\r", False
    many = (
        b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n\r\n' % i for i in range(3000))
        + b"--x--\r\n"
    )
    yield (
        post + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n" % len(many) + many,
        False,
    )
    yield b"GET /static/..%2f..%2f..%2fetc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", False
    yield b"GET /static/%00 HTTP/1.1\r\nHost: x\r\n\r\n", False
    yield b"GET //static//../../x HTTP/1.1\r\nHost: x\r\n\r\n", False
    yield b"GET /v1/classes?model=%ff%fe%00 HTTP/1.1\r\nHost: x\r\n\r\n", False
    yield b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xff\r\n\r\n", False
    yield b"BREW /v1/predict HTTP/1.1\r\nHost: x\r\n\r\n", False
    yield b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", True
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", True
    yield b"GET /v1/models HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", False
    yield b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n", True


def valid(form: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """Return a picture's file."""
    stream = io.BytesIO()
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size).save(stream, form)
    return stream.getvalue()


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of few bytes that claims many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    data = zlib.compress(b"\x00" * 5_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def archive() -> bytes:
    """Return an archive with a name that climbs folders."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("../../../../tmp/evil.txt", "evil")
    return stream.getvalue()


def hostile_files() -> st.SearchStrategy[bytes]:
    """Return what is sent as pictures: damaged, two things at once, bombs, and what is none."""
    whole = st.sampled_from([valid(form) for form in FORMS])
    cut = st.tuples(whole, st.floats(0, 1)).map(lambda pair: pair[0][: int(len(pair[0]) * pair[1])])
    changes = st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=20)
    changed = st.tuples(whole, changes).map(lambda pair: _changed(*pair))
    both = st.tuples(whole, st.sampled_from([archive(), b"<script>alert(1)</script>", b"<?php system('id'); ?>"]))
    spliced = st.tuples(whole, whole).map(lambda pair: pair[0][: len(pair[0]) // 2] + pair[1][len(pair[1]) // 2 :])
    bombs = st.tuples(st.sampled_from((1, 3000, 30_000, 2**31 - 1)), st.sampled_from((1, 3000, 30_000))).map(
        lambda pair: bomb(*pair)
    )
    nothing = st.sampled_from(
        [b"", archive(), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0\nshowpage"]
    )
    large = st.sampled_from([valid("BMP", (1500, 1500)), valid("PNG", (3100, 3100)), valid("BMP", (1800, 1700))])
    joined = both.map(lambda pair: pair[0] + pair[1])
    return st.one_of(cut, changed, joined, spliced, bombs, nothing, large, st.binary(max_size=2000), whole)


def hostile_names() -> st.SearchStrategy[str]:
    """Return what files are called."""
    tricks = (
        "../../../../tmp/evil.png",
        "..\\..\\evil.png",
        "/etc/passwd",
        "C:\\x.png",
        "a\x00.png",
        "~/x",
        "",
        ".",
        "..",
    )
    return st.one_of(
        st.sampled_from((*tricks, "x" * 5000, "CON", "-rf", "$(id).png", "\u202egnp.exe", "%2e%2e%2fx.png")),
        st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace").decode()),
    )


def _changed(data: bytes, changes: list[tuple[float, int]]) -> bytes:
    found = bytearray(data)
    for place, value in changes:
        found[int(place * len(found))] = value
    return bytes(found)


if __name__ == "__main__":
    main()
