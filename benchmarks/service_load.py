"""Does the service hold under twice its load, over reloads, a stop and a kill?

    python benchmarks/service_load.py

The service runs in a process of its own, as `fieldmark serve` starts it, with one thread for torch; the load comes from
this process, on the same machine. The recogniser has random weights (what it costs doesn't depend on what it knows): a
small residual network at 96 px with 8 parts. Pictures are JPEGs of 256 x 256 px.

* Capacity: 32 clients ask one request after the other; accepted requests a second.
* Load: requests are sent at twice that rate, whatever becomes of them, for 10 minutes (15 s with --quick). Every
  request must be answered by 200 or by 503. A request that is accepted waits for at most a full queue, so 99 in 100
  must be answered within twice the time that a full queue takes at capacity. Memory is read every second; after a
  warm-up (the first 40 %) the mean of the last fifth must be within 5 % of that of the fifth after the warm-up.
* Reload: during the load the bundle is written anew twice, once noticed by watching, once told by SIGHUP.
* Stop: under the same load the process is sent SIGTERM. What it logged as answered must be what the clients got, and it
  must end by itself with status 0.
* Feedback: corrections are sent by 4 clients until the process is killed (SIGKILL); every acknowledged one must be in
  the store. Five times (once with --quick).
"""

import argparse
import asyncio
import io
import json
import shutil
import signal
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fieldmark.models.bundle import record_results
from fieldmark.serve.feedback import FeedbackStore
from http_load import Connection, Reply, closed_loop, multipart, open_loop
from record import Row, write_results
from served_process import ServedProcess, write_run

QUEUE, BATCH = 64, 16
OPTIONS = ["--queue", str(QUEUE), "--max-batch", str(BATCH), "--watch", "0.5", "--no-feedback"]

#: Share of the load's time that is warm-up, and that of the two stretches whose memory is compared.
WARM_UP, STRETCH = 0.4, 0.2


@dataclass(frozen=True)
class Lengths:
    """Seconds of each part, and how often the process is killed."""

    capacity: float
    load: float
    stop: float
    kills: int


FULL = Lengths(capacity=20, load=600, stop=10, kills=5)
QUICK = Lengths(capacity=5, load=15, stop=3, kills=1)


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="15 s of load, one kill")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lengths = QUICK if arguments.quick else FULL
    body, kind = multipart("files", picture())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = write_run(folder / "run")
        rows = asyncio.run(under_load(run, folder / "load", body, kind, lengths))
        rows += asyncio.run(stopped(run, folder / "stop", body, kind, lengths, rate=2 * (rows[0].value or 1)))
        rows += [asyncio.run(killed(run, folder, lengths))]
    notes = {"queue": str(QUEUE), "batch": str(BATCH), "load": f"{lengths.load:g} s at twice the capacity"}
    write_results("service_load", rows, out=arguments.out, quick=arguments.quick, notes=notes)


def picture() -> bytes:
    """Return a JPEG of smooth noise, 256 x 256 px."""
    coarse = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((256, 256), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=88)
    return stream.getvalue()


async def under_load(run: Path, folder: Path, body: bytes, kind: str, lengths: Lengths) -> list[Row]:
    """Measure capacity, then send twice as much while the bundle is exchanged twice."""
    with ServedProcess([str(run)], OPTIONS, folder) as service:
        path = "/v1/predict"
        await closed_loop(service.port, path, body, kind, clients=8, seconds=2)
        asked = await closed_loop(service.port, path, body, kind, clients=32, seconds=lengths.capacity)
        capacity = sum(reply.status == 200 for reply in asked) / lengths.capacity
        memory: list[tuple[float, float]] = []
        reloads = [(lengths.load / 4, False), (lengths.load / 2, True)]

        def each_second(passed: float) -> None:
            memory.append((passed, service.memory_mb()))
            if reloads and passed >= reloads[0][0]:
                _, by_signal = reloads.pop(0)
                record_results(run, {"reload": float(len(reloads))})
                if by_signal:
                    service.send(signal.SIGHUP)

        replies = await open_loop(
            service.port, path, body, kind, rate=2 * capacity, seconds=lengths.load, each_second=each_second
        )
        service.wait_for("reload", 2)  # on a machine that is busy, loading may outlast a short load
        reloaded = sum(entry["event"] == "reload" for entry in service.log())
        return [
            Row("capacity, requests a second", round(capacity, 1)),
            *load_rows(replies, capacity),
            Row("bundles exchanged during the load", float(reloaded), goal=">= 2", holds=reloaded >= 2),
            memory_row(memory, lengths.load),
        ]


def load_rows(replies: list[Reply], capacity: float) -> list[Row]:
    """Say what became of the requests of a load."""
    accepted = sorted(reply.seconds for reply in replies if reply.status == 200)
    refused = sorted(reply.seconds for reply in replies if reply.status == 503)
    lost = sum(reply.status == 0 for reply in replies)
    other = len(replies) - len(accepted) - len(refused) - lost
    bound = 2 * (QUEUE + BATCH) / capacity
    slow = quantile(accepted, 0.99)
    return [
        Row("requests sent", float(len(replies))),
        Row("accepted, %", round(100 * len(accepted) / len(replies), 1)),
        Row("refused with 503, %", round(100 * len(refused) / len(replies), 1), goal="> 0", holds=len(refused) > 0),
        Row("answered by anything else, 500 included", float(other), goal="0", holds=other == 0),
        Row("without an answer", float(lost), goal="0", holds=lost == 0),
        Row("accepted: median, s", round(quantile(accepted, 0.5), 3)),
        Row(
            "accepted: 99 in 100 within, s",
            round(slow, 3),
            goal=f"<= {bound:.2f}: twice a full queue at capacity",
            holds=slow <= bound,
        ),
        Row("refused: 99 in 100 within, s", round(quantile(refused, 0.99), 3)),
    ]


def quantile(values: list[float], share: float) -> float:
    """Return a quantile of sorted values; 0 of none."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def memory_row(samples: list[tuple[float, float]], seconds: float) -> Row:
    """Compare the memory at the end with that after the warm-up."""
    first = [used for passed, used in samples if WARM_UP <= passed / seconds < WARM_UP + STRETCH]
    last = [used for passed, used in samples if passed / seconds >= 1 - STRETCH]
    change = 100 * (statistics.mean(last) / statistics.mean(first) - 1)
    anchor = f"{statistics.mean(first):.0f} MB after the warm-up"
    metric = "memory at the end against after the warm-up, %"
    return Row(metric, round(change, 2), goal="within ±5", anchor=anchor, holds=abs(change) <= 5)


async def stopped(run: Path, folder: Path, body: bytes, kind: str, lengths: Lengths, *, rate: float) -> list[Row]:
    """Send SIGTERM under load; compare what the service says that it answered with what was received."""
    with ServedProcess([str(run)], OPTIONS, folder) as service:
        sent: list[float] = []

        def each_second(passed: float) -> None:
            if not sent and passed >= lengths.stop / 2:
                sent.append(time.monotonic())
                service.send(signal.SIGTERM)

        replies = await open_loop(
            service.port, "/v1/predict", body, kind, rate=rate, seconds=lengths.stop, each_second=each_second
        )
        status = await asyncio.to_thread(service.wait)
        answered = sum(entry.get("status") == 200 for entry in service.log() if entry["event"] == "request")
        received = sum(reply.status == 200 for reply in replies)
        after = sum(reply.status == 200 and reply.began + reply.seconds > sent[0] for reply in replies)
        broken = sum(reply.status not in (0, 200, 503) for reply in replies)
        return [
            Row("stop: accepted, and answered after SIGTERM", float(after), goal="> 0", holds=after > 0),
            Row("stop: accepted and lost", float(answered - received), goal="0", holds=answered == received),
            Row("stop: answered by anything but 200 or 503", float(broken), goal="0", holds=broken == 0),
            Row("stop: exit status", float(status), goal="0", holds=status == 0),
        ]


async def killed(run: Path, folder: Path, lengths: Lengths) -> Row:
    """Kill the service while it takes corrections; count the acknowledged ones that are gone."""
    acknowledged: list[int] = []
    lost = 0
    for number in range(lengths.kills):
        place = folder / f"kill-{number}"
        options = ["--feedback", str(place / "said"), "--keep-pictures"]
        with ServedProcess([str(run)], options, place) as service:
            ids = await kept_until_killed(service)
        store = FeedbackStore(place / "said")
        rows = {row.id: row for row in store.rows()}
        store.close()
        lost += sum(one not in rows or not (place / "said" / str(rows[one].picture)).is_file() for one in ids)
        acknowledged += ids
        shutil.rmtree(place)
    return Row(
        "kill: acknowledged corrections that are gone",
        float(lost),
        goal="0",
        anchor=f"{len(acknowledged)} acknowledged in {lengths.kills} kills",
        holds=lost == 0 and len(acknowledged) > 0,
    )


async def kept_until_killed(service: ServedProcess) -> list[int]:
    """Send corrections by 4 clients, and kill the service after some seconds; return the acknowledged numbers."""
    ids: list[int] = []
    random = np.random.default_rng(0)

    async def client(name: int) -> None:
        connection = Connection(service.port)
        while True:
            stream = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(stream, "PNG")
            body, kind = multipart("file", stream.getvalue(), {"label": f"class {name}"})
            reply = await connection.post("/v1/feedback", body, kind)
            if reply.status == 0:
                return
            if reply.status == 200:
                ids.append(int(json.loads(reply.body)["id"]))

    clients = [asyncio.create_task(client(name)) for name in range(4)]
    await asyncio.sleep(3)
    service.send(signal.SIGKILL)
    await asyncio.gather(*clients)
    return ids


if __name__ == "__main__":
    main()
