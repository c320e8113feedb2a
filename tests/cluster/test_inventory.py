"""Which GPUs count as free."""

from __future__ import annotations

from dataclasses import replace

from utp.cluster.inventory import GpuProcess, GpuState, NodeState, free_gpus, usable_gpus

GB = 10**9
IDLE = GpuState(index=0, uuid="GPU-0", model="NVIDIA A100", memory_total_bytes=40 * GB, memory_used_bytes=4 << 20)


def node(*gpus: GpuState, **changes: object) -> NodeState:
    state = NodeState(node_id="a" * 56, hostname="one", address="10.0.0.1", num_gpus_free=float(len(gpus)), gpus=gpus)
    return replace(state, **changes)  # type: ignore[arg-type]


def held_by(*, is_ours: bool) -> GpuState:
    process = GpuProcess(pid=7, memory_bytes=2 * GB, is_ours=is_ours)
    return replace(IDLE, index=1, uuid="GPU-1", memory_used_bytes=2 * GB, processes=(process,))


def test_idle_gpu_is_free() -> None:
    assert free_gpus(node(IDLE)) == (IDLE,)


def test_gpu_of_a_foreign_process_is_neither_free_nor_usable() -> None:
    state = node(IDLE, held_by(is_ours=False))
    assert free_gpus(state) == usable_gpus(state) == (IDLE,)


def test_gpu_of_our_own_run_is_usable_but_not_free() -> None:
    state = node(IDLE, held_by(is_ours=True))
    assert usable_gpus(state) == state.gpus
    assert free_gpus(state) == (IDLE,)


def test_memory_that_no_visible_process_explains_counts_as_foreign() -> None:
    # A process of another container: NVML tells the memory and not the process.
    assert free_gpus(node(replace(IDLE, memory_used_bytes=3 * GB))) == ()


def test_quarantined_gpu_is_not_offered() -> None:
    assert free_gpus(node(IDLE, replace(IDLE, index=1, is_quarantined=True))) == (IDLE,)


def test_node_that_is_away_or_draining_offers_nothing() -> None:
    assert free_gpus(node(IDLE, is_alive=False)) == ()
    assert free_gpus(node(IDLE, is_draining=True)) == ()
