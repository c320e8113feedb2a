"""Submit to first optimizer step: our job, warm and cold, beside a stock TorchTrainer job, each on the same Ray.

Needs a Ray with Jobs (`RAY_ADDRESS=http://...:8265`, token in the environment) on this machine, and no other load.

    python bench/submit_to_first_step.py [ROUNDS]
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from ray.job_submission import JobStatus, JobSubmissionClient

from utp.config.loading import dump_config
from utp.config.train import TrainConfig
from utp.core.data.sample_digits import write_digits

REPOSITORY = Path(__file__).resolve().parents[1]
TIMEOUT_S = 600.0
STOCK = """
import time
import ray.train
from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer, prepare_model

def train():
    import torch
    from transformers import ViTConfig, ViTForImageClassification
    sizes = dict(hidden_size=96, num_hidden_layers=4, num_attention_heads=3, intermediate_size=384)
    model = prepare_model(ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, num_labels=10, **sizes)))
    optimizer = torch.optim.AdamW(model.parameters())
    loss = model(pixel_values=torch.randn(32, 3, 32, 32), labels=torch.randint(10, (32,))).loss
    loss.backward()
    optimizer.step()
    print("FIRST_STEP", time.time(), flush=True)

TorchTrainer(train, scaling_config=ScalingConfig(num_workers=1)).fit()
"""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    client = JobSubmissionClient()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_digits(folder / "datasets" / "digits")
        (folder / "stock.py").write_text(STOCK)
        environment = {**os.environ, "UTP_HOME": str(folder / "home")}
        taken: dict[str, list[float]] = {"stock": [], "cold": [], "warm": []}
        for _ in range(rounds):
            taken["stock"].append(measure_stock(client, folder))
            taken["cold"].append(measure_ours(client, folder))
        command = [sys.executable, "-m", "utp.entrypoints.warm"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as server:
            assert server.stdout is not None
            server.stdout.readline()
            for _ in range(rounds):
                taken["warm"].append(measure_ours(client, folder))
            server.terminate()
    stock = statistics.median(taken["stock"])
    for kind, seconds in taken.items():
        median = statistics.median(seconds)
        print(f"{kind:6} {median:7.2f} s   {median / stock:5.3f} of stock   {[round(value, 2) for value in seconds]}")


def measure_stock(client: JobSubmissionClient, folder: Path) -> float:
    """Return seconds from submit to the first step of a stock job."""
    started = time.time()
    job = client.submit_job(entrypoint=f"{shlex.quote(sys.executable)} {folder / 'stock.py'}")
    wait_for_end(client, job)
    line = next(line for line in client.get_job_logs(job).splitlines() if "FIRST_STEP" in line)
    return float(line.split()[-1]) - started


def measure_ours(client: JobSubmissionClient, folder: Path) -> float:
    """Return seconds from submit to the first row of `metrics.jsonl`, which is that of step 1."""
    config = TrainConfig(
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
    variables = {
        "UTP_HOME": str(folder / "home"),
        "DATASETS_DIR": str(folder / "datasets"),
        "SHARED_LOGS_DIR": str(folder),
        "UTP_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": str(REPOSITORY / "platform"),
    }
    text = shlex.quote(json.dumps(dump_config(config)))
    before = set(folder.glob("runs/digits/*"))
    started = time.time()
    command = f"{shlex.quote(sys.executable)} -m utp.entrypoints.job --config-json {text}"
    job = client.submit_job(entrypoint=command, runtime_env={"env_vars": variables})
    wait_for_end(client, job)
    (run,) = set(folder.glob("runs/digits/*")) - before
    row = json.loads((run / "attempts" / "1" / "metrics.jsonl").read_text().splitlines()[0])
    return datetime.fromisoformat(row["time"]).timestamp() - started


def wait_for_end(client: JobSubmissionClient, job: str) -> None:
    """Wait for the job to succeed."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (status := client.get_job_status(job)).is_terminal():
        assert time.monotonic() < deadline, f"{job} is {status} for too long"
        time.sleep(0.2)
    assert status is JobStatus.SUCCEEDED, client.get_job_logs(job)


if __name__ == "__main__":
    main()
