"""Freed memory is used again."""

from __future__ import annotations

import resource

import torch
from torch import nn

from utp.core.memory import keep_freed_memory


def page_faults_of_a_step(model: nn.Module) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    model(torch.zeros(8, 3, 112, 112)).sum().backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_step_takes_the_pages_of_the_step_before_it() -> None:
    model = nn.Sequential(*(nn.Conv2d(3 if i == 0 else 64, 64, 3, padding=1) for i in range(3)))  # 25 MB an output
    assert keep_freed_memory()
    for _ in range(3):
        page_faults_of_a_step(model)
    assert page_faults_of_a_step(model) < 2000  # 8 MB; without it, 60,000 and more
