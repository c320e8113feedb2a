"""A process of its own that imports torch and tells what it sees, as JSON.

On its own since importing torch can end the process (illegal instruction on an old CPU) or hang (a broken driver).
"""

from __future__ import annotations

import json
from typing import Any

import torch
import torchvision
import transformers


def describe_gpu(index: int) -> dict[str, Any]:
    """Return name, memory in bytes, compute capability of one GPU, and whether this torch has code for it."""
    free, total = torch.cuda.mem_get_info(index)
    major, minor = torch.cuda.get_device_capability(index)
    with torch.cuda.device(index):
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        torch.ones(8, device="cuda").sum().item()  # raises where there is no code for this GPU
    return {
        "name": torch.cuda.get_device_name(index),
        "free_bytes": free,
        "total_bytes": total,
        "capability": f"{major}.{minor}",
        "has_bfloat16": has_bfloat16,
    }


def main() -> None:
    """Print what torch sees."""
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9]])
    kept = torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5)  # raises where torchvision's code does not load
    assert kept.tolist() == [0]
    seen = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "transformers": transformers.__version__,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "gpus": [describe_gpu(index) for index in range(torch.cuda.device_count())],
    }
    print(json.dumps(seen))  # noqa: T201


if __name__ == "__main__":
    main()
