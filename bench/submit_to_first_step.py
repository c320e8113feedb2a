"""Submit to first optimizer step, beside a stock `TorchTrainer` job: `python bench/submit_to_first_step.py [PAIRS]`.

Starts a platform of its own (`utp up`, home and ports in a temporary folder) and ends it. In turns, on its Ray: a run
that is queued through the store, taken up by the dispatcher and trained by a process that the warm server forks; and a
script with `TorchTrainer(num_workers=1)` given to `ray job submit`, which trains the same architecture on the same
pictures. Seconds on the clock of this machine, from before the submission to the end of the first optimizer step.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from ray.job_submission import JobStatus, JobSubmissionClient

from utp.client.local_client import LocalClient
from utp.cluster.local_ray import find_local
from utp.cluster.warm_keeper import LOG_FILE
from utp.cluster.warm_protocol import socket_path
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.core.data.sample_digits import write_digits
from utp.settings import Settings
from utp.store.states import RunState

REPOSITORY = Path(__file__).resolve().parents[1]
TIMEOUT_S = 300.0
GOAL = 0.2
CONFIG = TrainConfig(
    root="digits",
    model_flavour="builtin/vit-micro",
    load_pretrained=False,
    image_size=32,
    batch_size=32,
    num_workers=0,
    epochs=1,
    max_datapoints_per_class=10,
    log_interval_steps=1,
    device="cpu",
)
STOCK = """
import sys, time
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer, prepare_data_loader, prepare_model

def train(config):
    print("WORKER", time.time(), flush=True)
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder
    from transformers import AutoConfig, AutoModelForImageClassification
    steps = [transforms.RandomResizedCrop(32), transforms.ToTensor()]
    data = ImageFolder(config["data"], transforms.Compose(steps))
    loader = prepare_data_loader(DataLoader(data, batch_size=32, shuffle=True))
    settings = AutoConfig.from_pretrained(config["model"], num_labels=len(data.classes), image_size=32)
    model = prepare_model(AutoModelForImageClassification.from_config(settings))
    optimizer = torch.optim.AdamW(model.parameters())
    images, labels = next(iter(loader))
    model(pixel_values=images, labels=labels).loss.backward()
    optimizer.step()
    print("FIRST_STEP", time.time(), flush=True)

print("ENTRY", time.time(), flush=True)
config = {"data": sys.argv[1], "model": sys.argv[2]}
TorchTrainer(train, train_loop_config=config, scaling_config=ScalingConfig(num_workers=1)).fit()
"""


class Platform:
    """A platform in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        mounts = {"DATASETS_DIR": "datasets", "SHARED_LOGS_DIR": "shared", "UTP_CACHE_DIR": "cache", "UTP_HOME": "home"}
        values = {name: folder / below for name, below in mounts.items()}
        self.settings = Settings.model_validate(values)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "UTP_"))}
        mounted = {name: str(value) for name, value in values.items()}
        self._environment = {**kept, **mounted, "PYTHONPATH": str(REPOSITORY / "platform")}
        write_digits(folder / "datasets" / "digits")

    @contextmanager
    def up(self) -> Iterator[None]:
        """Start it, its warm server included, until the end of the block."""
        names = ("gcs", "dashboard", "client", "agent")
        ports = [word for name, port in free_ports(names).items() for word in (f"--{name}-port", str(port))]
        try:
            self.utp("up", "--no-web", "--num-cpus", "4", *ports)
            log = socket_path(self.settings.home).with_name(LOG_FILE)
            wait_for(lambda: log.exists() and "warm: " in log.read_text(), "a warm server")
            yield
        finally:
            self.utp("down", "--now")

    def utp(self, *words: str) -> None:
        subprocess.run([sys.executable, "-m", "utp.entrypoints.cli", *words], env=self._environment, check=True)

    def measure_ours(self) -> dict[str, float]:
        """Queue a run; return seconds to its stages."""
        client = LocalClient(self.settings)
        began = time.time()
        run_id = client.submit(CONFIG, RunRequest(), project="default", owner="bench").id
        queued = time.time()
        wait_for(lambda: client.get(run_id).state is RunState.SUCCEEDED, "the end of our run")
        run = client.get(run_id)
        (attempt,) = run.attempts
        row = json.loads((Path(run.run_dir) / "attempts" / "1" / "metrics.jsonl").read_text().splitlines()[0])
        first_step = datetime.fromisoformat(row["time"]).timestamp()
        at = {"queued": queued, "opened": attempt.created_at, "handed to Ray": attempt.submitted_at or 0.0}
        at |= {"worker": attempt.started_at or 0.0, "first step": first_step}
        return {name: moment - began for name, moment in at.items()}

    def measure_stock(self, client: JobSubmissionClient, model: Path) -> dict[str, float]:
        """Submit a script; return seconds to its stages."""
        words = (sys.executable, str(self.folder / "stock.py"), str(self.folder / "datasets/digits/train"), str(model))
        began = time.time()
        job = client.submit_job(entrypoint=shlex.join(words))
        wait_for(lambda: client.get_job_status(job).is_terminal(), "the end of the stock job")
        text = client.get_job_logs(job)
        assert client.get_job_status(job) is JobStatus.SUCCEEDED, text
        return {
            name.lower().replace("_", " "): find_moment(text, name) - began
            for name in ("ENTRY", "WORKER", "FIRST_STEP")
        }


def find_moment(text: str, name: str) -> float:
    """Return the time that a line of a log tells."""
    line = next(line for line in text.splitlines() if f"{name} " in line)
    return float(line.rpartition(f"{name} ")[2].split()[0])


def free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """Return ports below the kernel's own range, from which Ray's other processes take theirs meanwhile."""
    found: dict[str, int] = {}
    first = 20_000 + os.getpid() % 10_000
    for name in names:
        while True:
            first += 7
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", first)) != 0:
                    break
        found[name] = first
    return found


def wait_for(is_so: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not come within {TIMEOUT_S:g} s"
        time.sleep(0.2)


def tell(kind: str, stages: list[Mapping[str, float]]) -> float:
    """Print the medians; return that of the first step."""
    medians = {name: statistics.median(one[name] for one in stages) for name in stages[0]}
    print(f"{kind:6} " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in medians.items()))
    return medians["first step"]


def main() -> None:
    num_pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="utp-b-", ignore_cleanup_errors=True)))
        platform = Platform(folder)
        (folder / "stock.py").write_text(STOCK)
        stack.enter_context(platform.up())
        cluster = find_local(platform.settings.home)
        assert cluster is not None
        token = Path(cluster.token_file).read_text()  # by hand: Ray looked for it when it was imported
        client = JobSubmissionClient(cluster.dashboard, headers={"Authorization": f"Bearer {token}"})
        model = REPOSITORY / "platform/utp/core/models/presets/vit-micro"
        ours, stock = [], []
        for number in range(num_pairs):
            stock.append(platform.measure_stock(client, model))
            ours.append(platform.measure_ours())
            times = f"stock {stock[-1]['first step']:.2f} s, ours {ours[-1]['first step']:.2f} s"
            print(f"pair {number + 1}, load {os.getloadavg()[0]:.1f}: {times}", flush=True)
        tell("stock", stock)
        tell("ours", ours)
        ratio = statistics.median(a["first step"] / b["first step"] for a, b in zip(ours, stock, strict=True))
        print(f"ours / stock, median of the pairs: {ratio:.3f} (goal {GOAL})")


if __name__ == "__main__":
    main()
