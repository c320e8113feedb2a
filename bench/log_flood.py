"""A flood of log lines from four workers to the head: `python bench/log_flood.py [--lines N] [--rounds 3] [--work 20]`.

Each worker is a process that works in steps of `--work` small matrix products (20: about 25 ms of CPU, as a small
model's training step; 2: it does little but write) and writes 250 lines to its own log behind each, while a shipper
brings them to a hub in this process over a local socket, in the place of Ray. Told: lines lost (none may be), how much
slower the workers are than without a shipper, in turns, in wall time and in their CPU time, and the worst of the reads
of a page; then, of one more flood with a process that follows all four logs, as a replica of the dashboard does, the
latency from writing a line to having it.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Client, Connection, Listener
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy

from utp.api.events.log_feed import LogTail
from utp.api.events.log_feeds import PERIOD_S
from utp.cluster.log_hub import LogHub
from utp.cluster.log_shipper import LogShipper
from utp.logs.line_index import LineIndexes
from utp.logs.pages import read_page, read_page_before

CONTEXT = multiprocessing.get_context("fork")
NUM_WRITERS = 4
LINES_PER_STEP = 250
LOG = "rank0.log"
FILLER = b"loss 0.12345 acc@1 0.98765 images/s 1234.5 " + b"." * 40


@dataclass(frozen=True)
class Flood:
    """What one flood took, in seconds."""

    wall: float
    """Of a worker."""
    cpu: float
    latencies: Sequence[float]
    pages: Sequence[float]
    """CPU time of each page read."""


def run_id(writer: int) -> str:
    return f"{writer:032x}"


def write_lines(
    folder: Path, writer: int, num_lines: int, num_products: int, address: str | None, results: Connection
) -> None:
    """One worker: tells the seconds that its work took, until the last line was written, and whether all arrived."""
    log = folder / f"writer{writer}" / LOG
    log.parent.mkdir()
    shipper = None
    if address is not None:
        link = Client(address)

        def send(stream: str, offset: int, data: bytes) -> int:
            link.send((run_id(writer), stream, offset, data))
            following: int = link.recv()
            return following

        shipper = LogShipper(send, {LOG: log})
        shipper.start()
    matrix = numpy.random.default_rng(writer).random((200, 200))
    began, cpu_began = time.perf_counter(), time.process_time()
    with log.open("ab", buffering=0) as file:
        for first in range(0, num_lines, LINES_PER_STEP):
            for _ in range(num_products):
                matrix = numpy.tanh(matrix @ matrix / 200)
            now = time.time_ns()
            for number in range(first, min(first + LINES_PER_STEP, num_lines)):
                file.write(b"%d %d %s\n" % (now, number, FILLER))
    took = time.perf_counter() - began, time.process_time() - cpu_began
    results.send((took, shipper.close(deadline_s=60) if shipper else True))


def serve(listener: Listener, hub: LogHub) -> None:
    def answer(link: Connection) -> None:
        while True:
            try:
                run, stream, offset, data = link.recv()
            except EOFError:
                return
            link.send(hub.take(run, 1, stream, offset, data))

    while True:
        try:
            threading.Thread(target=answer, args=(listener.accept(),), daemon=True).start()
        except OSError:
            return  # it is closed


def follow(copies: Path, is_over: Event, results: Connection) -> None:
    """Read what comes, as the API does for all who follow; of each look the latency of a log's oldest line."""
    hub, indexes, latencies_s = LogHub(copies, lambda run, attempt: None), LineIndexes(), list[float]()
    tails = [LogTail(partial(hub.file, run_id(writer), 1, LOG), indexes) for writer in range(NUM_WRITERS)]
    for tail in tails:
        tail.begin()
    while not is_over.wait(PERIOD_S):
        for tail in tails:
            latencies_s.extend((time.time_ns() - int(line.text[:19])) / 1e9 for line in tail.read()[:1])
    results.send(latencies_s)


@contextmanager
def followed(copies: Path) -> Iterator[list[float]]:
    """Follow all logs from a process of its own; gives a list that holds the latencies behind it."""
    is_over, (receive, send) = CONTEXT.Event(), CONTEXT.Pipe(duplex=False)
    follower = CONTEXT.Process(target=follow, args=(copies, is_over, send))
    follower.start()
    latencies_s = list[float]()
    yield latencies_s
    is_over.set()
    latencies_s.extend(receive.recv())
    follower.join()


def flood(num_lines: int, num_products: int, *, is_shipped: bool, is_followed: bool = False) -> Flood:
    """Have the workers write; checks every byte that came over."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        address, copies = str(folder / "socket"), folder / "head"
        hub = LogHub(copies, lambda run, attempt: None)
        listener = Listener(address)
        with followed(copies) if is_followed else nullcontext(list[float]()) as latencies:
            threading.Thread(target=serve, args=(listener, hub), daemon=True).start()
            wall, cpu = work(folder, num_lines, num_products, address if is_shipped else None)
        pages = [check(folder, hub, writer) for writer in range(NUM_WRITERS)] if is_shipped else []
        listener.close()
        return Flood(wall, cpu, latencies, [seconds for page in pages for seconds in page])


def work(folder: Path, num_lines: int, num_products: int, address: str | None) -> tuple[float, float]:
    """Return the workers' mean wall and CPU seconds, the shipper's thread with them."""
    workers = []
    for writer in range(NUM_WRITERS):
        receive, send = CONTEXT.Pipe(duplex=False)
        arguments = (folder, writer, num_lines // NUM_WRITERS, num_products, address, send)
        workers.append((CONTEXT.Process(target=write_lines, args=arguments), receive))
    for process, _ in workers:
        process.start()
    answers = [receive.recv() for _, receive in workers]
    for process, _ in workers:
        process.join()
    assert all(is_complete for _, is_complete in answers), "lines were not brought over within the deadline"
    wall, cpu = zip(*(seconds for seconds, _ in answers), strict=True)
    return statistics.fmean(wall), statistics.fmean(cpu)


def check(folder: Path, hub: LogHub, writer: int) -> list[float]:
    written, copied = folder / f"writer{writer}" / LOG, hub.file(run_id(writer), 1, LOG)
    assert digest(written) == digest(copied), "the head's copy differs from the worker's file"
    seconds = []
    for place in range(10):
        began = time.thread_time()
        read_page(copied, copied.stat().st_size * place // 10)
        seconds.append(time.thread_time() - began)
    began = time.thread_time()
    read_page_before(copied)
    return [*seconds, time.thread_time() - began]


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=int, default=20, help="matrix products between 250 lines")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    alone, shipped = list[Flood](), list[Flood]()
    for _ in range(options.rounds):
        alone.append(flood(options.lines, options.work, is_shipped=False))
        shipped.append(flood(options.lines, options.work, is_shipped=True))
    watched = flood(options.lines, options.work, is_shipped=True, is_followed=True)
    wall_ratio = statistics.median(s.wall / a.wall for a, s in zip(alone, shipped, strict=True))
    cpu_ratio = statistics.median(s.cpu / a.cpu for a, s in zip(alone, shipped, strict=True))
    quantiles = statistics.quantiles(watched.latencies, n=100)
    pages = [seconds for one in (*shipped, watched) for seconds in one.pages]
    print(f"{options.lines} lines from {NUM_WRITERS} workers, {options.rounds} rounds; none lost, none twice")
    print(f"work alone {statistics.median(a.wall for a in alone):.2f} s, shipped x {wall_ratio:.3f} (goal < 1.05)")
    print(f"CPU of a worker, its shipper's with it: x {cpu_ratio:.3f}")
    print(f"latency to a follower: p50 {quantiles[49] * 1e3:.0f} ms, p95 {quantiles[94] * 1e3:.0f} ms")
    print(f"a page of 256 KiB by offset: {max(pages) * 1e3:.1f} ms CPU at worst (goal < 100)")


if __name__ == "__main__":
    main()
