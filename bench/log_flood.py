"""A flood of log lines from four workers to the head: `python bench/log_flood.py [--lines N] [--rounds 3] [--work 20]`.

Each worker is a process that works in steps of `--work` small matrix products (20: about 25 ms of CPU, as a small
model's training step; 2: it does little but write) and writes 250 lines to its own log behind each, while a shipper
brings them to a hub in this process over a local socket, in the place of Ray. Told: lines lost (none may be), latency
from writing a line to a follower having it, the worst of the reads of a page, and how much slower the workers are
than without a shipper, in turns, in wall time and in their CPU time.
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
from functools import partial
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

import numpy

from utp.api.events.log_feed import LogTail
from utp.api.events.log_feeds import PERIOD_S
from utp.cluster.log_hub import LogHub
from utp.cluster.log_shipper import LogShipper
from utp.logs.line_index import LineIndexes
from utp.logs.pages import read_page, read_page_before

NUM_WRITERS = 4
LINES_PER_STEP = 250
LOG = "rank0.log"
FILLER = b"loss 0.12345 acc@1 0.98765 images/s 1234.5 " + b"." * 40


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


def follow(hub: LogHub, latencies_s: list[float], is_over: threading.Event) -> None:
    """Read what comes, as the API does for all who follow; of each look the latency of a log's oldest line."""
    indexes = LineIndexes()
    tails = [LogTail(partial(hub.file, run_id(writer), 1, LOG), indexes) for writer in range(NUM_WRITERS)]
    for tail in tails:
        tail.begin()
    while not is_over.wait(PERIOD_S):
        for tail in tails:
            latencies_s.extend((time.time_ns() - int(line.text[:19])) / 1e9 for line in tail.read()[:1])
    for tail in tails:
        tail.close()


def flood(num_lines: int, num_products: int, *, is_shipped: bool) -> tuple[float, float, list[float], list[float]]:
    """Return wall and CPU seconds of a worker, latencies, and CPU seconds per page read; checks every byte."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        address = str(folder / "socket")
        hub = LogHub(folder / "head", lambda run, attempt: None)
        listener = Listener(address)
        threading.Thread(target=serve, args=(listener, hub), daemon=True).start()
        latencies: list[float] = []
        is_over = threading.Event()
        follower = threading.Thread(target=follow, args=(hub, latencies, is_over), daemon=True)
        if is_shipped:
            follower.start()
        wall, cpu = work(folder, num_lines, num_products, address if is_shipped else None)
        pages = [check(folder, hub, writer) for writer in range(NUM_WRITERS)] if is_shipped else []
        is_over.set()
        if is_shipped:
            follower.join()
        listener.close()
        return wall, cpu, latencies, [seconds for page in pages for seconds in page]


def work(folder: Path, num_lines: int, num_products: int, address: str | None) -> tuple[float, float]:
    """Return the workers' mean wall and CPU seconds, the shipper's thread with them."""
    context = multiprocessing.get_context("fork")
    workers = []
    for writer in range(NUM_WRITERS):
        receive, send = context.Pipe(duplex=False)
        arguments = (folder, writer, num_lines // NUM_WRITERS, num_products, address, send)
        workers.append((context.Process(target=write_lines, args=arguments), receive))
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
    alone, shipped, latencies, pages = [], [], list[float](), list[float]()
    for _ in range(options.rounds):
        alone.append(flood(options.lines, options.work, is_shipped=False)[:2])
        wall, cpu, seconds, reads = flood(options.lines, options.work, is_shipped=True)
        shipped.append((wall, cpu))
        latencies += seconds
        pages += reads
    wall_ratio = statistics.median(s[0] / a[0] for a, s in zip(alone, shipped, strict=True))
    cpu_ratio = statistics.median(s[1] / a[1] for a, s in zip(alone, shipped, strict=True))
    quantiles = statistics.quantiles(latencies, n=100)
    print(f"{options.lines} lines from {NUM_WRITERS} workers, {options.rounds} rounds; none lost, none twice")
    print(f"work alone {statistics.median(a[0] for a in alone):.2f} s, shipped x {wall_ratio:.3f} (goal < 1.05)")
    print(f"CPU of a worker, its shipper's with it: x {cpu_ratio:.3f}")
    print(f"latency to a follower: p50 {quantiles[49] * 1e3:.0f} ms, p95 {quantiles[94] * 1e3:.0f} ms")
    print(f"a page of 256 KiB by offset: {max(pages) * 1e3:.1f} ms CPU at worst (goal < 100)")


if __name__ == "__main__":
    main()
