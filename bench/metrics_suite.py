"""Times the metric suite beside torchmetrics and scikit-learn on the same logits, and compares their values.

    python bench/metrics_suite.py             10,000 x 10
    python bench/metrics_suite.py --large     50,000 x 1,000; peers on the first 5,000 rows (--peer-rows), for minutes

Rounds are interleaved; a ratio is the median of the rounds' ratios, by CPU time of the process, which other load on the
machine disturbs less than the clock. Memory is the peak above what the process held before the first round (Linux).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sklearn
import torch
from scipy.special import softmax
from sklearn import metrics as sklearn_metrics
from torchmetrics import MetricCollection
from torchmetrics import classification as peers

from utp.core.metrics.classification import compute_metrics, confusion_matrix
from utp.core.metrics.scores import ClassificationScores

Values = dict[str, float]
Suite = Callable[[np.ndarray, np.ndarray], Values]
BATCH = 1000
"""Rows of an update of torchmetrics."""


def ours(logits: np.ndarray, labels: np.ndarray) -> Values:
    scores = ClassificationScores(logits, labels)
    confusion_matrix(scores)
    values = compute_metrics(scores)
    return {name: value for name, value in values.items() if value is not None}


def by_torchmetrics(logits: np.ndarray, labels: np.ndarray) -> Values:
    num_classes = logits.shape[1]
    macro = {"num_classes": num_classes, "average": "macro"}
    suite = MetricCollection(
        {
            "val_acc@1": peers.MulticlassAccuracy(num_classes, average="micro"),
            "val_acc@5": peers.MulticlassAccuracy(num_classes, top_k=5, average="micro"),
            "val_map": peers.MulticlassAveragePrecision(**macro),
            "val_f1_macro": peers.MulticlassF1Score(**macro),
            "val_auroc_macro": peers.MulticlassAUROC(**macro),
            "val_cohenkappa": peers.MulticlassCohenKappa(num_classes),
            "val_recall_micro": peers.MulticlassRecall(num_classes, average="micro"),
            "val_recall_macro": peers.MulticlassRecall(**macro),
            "val_ece": peers.MulticlassCalibrationError(num_classes, n_bins=15),
            "confusion": peers.MulticlassConfusionMatrix(num_classes),
        },
        compute_groups=True,
    )
    for rows in torch.arange(len(labels)).split(BATCH):
        suite.update(torch.from_numpy(logits)[rows], torch.from_numpy(labels)[rows])
    return {name: float(value) for name, value in suite.compute().items() if name != "confusion"}


def by_scikit_learn(logits: np.ndarray, labels: np.ndarray) -> Values:
    classes = np.arange(logits.shape[1])
    probabilities = softmax(logits, axis=1)
    predicted = logits.argmax(axis=1)
    one_hot = labels[:, None] == classes
    present = one_hot.any(axis=0)
    macro = {"labels": classes[present], "average": "macro", "zero_division": 0}
    sklearn_metrics.confusion_matrix(labels, predicted, labels=classes)
    return {
        "val_acc@1": sklearn_metrics.accuracy_score(labels, predicted),
        "val_acc@5": sklearn_metrics.top_k_accuracy_score(labels, logits, k=5, labels=classes),
        "val_map": sklearn_metrics.average_precision_score(one_hot[:, present], probabilities[:, present]),
        "val_f1_macro": sklearn_metrics.f1_score(labels, predicted, **macro),
        "val_auroc_macro": sklearn_metrics.roc_auc_score(one_hot[:, present], probabilities[:, present]),
        "val_cohenkappa": sklearn_metrics.cohen_kappa_score(labels, predicted, labels=classes),
        "val_recall_micro": sklearn_metrics.recall_score(labels, predicted, labels=classes, average="micro"),
        "val_recall_macro": sklearn_metrics.recall_score(labels, predicted, **macro),
    }


PEERS: dict[str, Suite] = {"torchmetrics": by_torchmetrics, "scikit-learn": by_scikit_learn}


@dataclass
class Measured:
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    values: Values = field(default_factory=dict)

    def add(self, suite: Suite, logits: np.ndarray, labels: np.ndarray) -> None:
        gc.collect()
        first_round = not self.cpu_s
        if first_round:
            ctypes.CDLL(None).malloc_trim(0)  # else memory that is free but still held hides a small peak
            Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is resident now
        before = resident_bytes("VmRSS")
        cpu, wall = time.process_time(), time.perf_counter()
        self.values = suite(logits, labels)
        self.cpu_s.append(time.process_time() - cpu)
        self.wall_s.append(time.perf_counter() - wall)
        if first_round:
            self.peak_bytes = resident_bytes("VmHWM") - before


def resident_bytes(entry: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(entry))


def measure(suites: dict[str, Suite], logits: np.ndarray, labels: np.ndarray, rounds: int) -> dict[str, Measured]:
    results = {name: Measured() for name in suites}
    for suite in suites.values():
        suite(*made_up_split(200, 10))  # first calls load code
    for _ in range(rounds):
        for name, suite in suites.items():
            results[name].add(suite, logits, labels)
    return results


def report(results: dict[str, Measured], shape: tuple[int, ...]) -> None:
    own = results["utp"]
    print(f"\n{shape[0]:,} x {shape[1]:,}, {len(own.cpu_s)} rounds, {torch.get_num_threads()} thread(s)")
    print(f"{'suite':<14}{'CPU ms':>10}{'wall ms':>10}{'x utp':>8}{'peak MB':>10}{'x utp':>8}{'max |difference|':>20}")
    for name, result in results.items():
        ratio = statistics.median(other / mine for other, mine in zip(result.cpu_s, own.cpu_s, strict=True))
        shared = {key: abs(value - own.values[key]) for key, value in result.values.items() if key in own.values}
        worst = max(shared, key=shared.__getitem__)
        cpu_ms, wall_ms = statistics.median(result.cpu_s) * 1e3, statistics.median(result.wall_s) * 1e3
        memory = f"{result.peak_bytes / 1e6:>10.1f}{result.peak_bytes / own.peak_bytes:>8.1f}"
        difference = f"{shared[worst]:>12.1e} {worst.removeprefix('val_')}"
        print(f"{name:<14}{cpu_ms:>10.1f}{wall_ms:>10.1f}{ratio:>8.1f}{memory}{difference}")


def made_up_split(num_samples: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a model that is right about two times in three, with labels; every class has samples."""
    rng = np.random.default_rng(0)
    labels = np.arange(num_samples) % num_classes
    logits = rng.standard_normal((num_samples, num_classes), dtype=np.float32)
    logits[np.arange(num_samples), labels] += np.float32(1.4 + 0.8 * np.log10(num_classes / 4))
    return logits, labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="50,000 x 1,000 in place of 10,000 x 10")
    parser.add_argument("--rounds", type=int, help="default: 15, with --large 3")
    parser.add_argument("--peer-rows", type=int, default=5000, help="rows of --large that peers get (50000: all)")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rounds = arguments.rounds or (3 if arguments.large else 15)
    suites: dict[str, Suite] = {"utp": ours} | {name: PEERS[name] for name in arguments.peers}
    logits, labels = made_up_split(*((50_000, 1000) if arguments.large else (10_000, 10)))
    print(
        f"python {sys.version.split()[0]}, numpy {np.__version__}, torch {torch.__version__}, "
        f"scikit-learn {sklearn.__version__}"
    )
    if arguments.large and arguments.peer_rows < len(labels):
        report(measure({"utp": ours}, logits, labels, rounds), logits.shape)
        logits, labels = logits[: arguments.peer_rows], labels[: arguments.peer_rows]
    report(measure(suites, logits, labels, rounds), logits.shape)


if __name__ == "__main__":
    main()
