from typing import Any

from packaging.requirements import Requirement

from utp.entrypoints.checks.finding import GIB
from utp.entrypoints.checks.training import _problem_of, check_packages, check_python, judge_gpus


def a_gpu(**changes: Any) -> dict[str, Any]:
    return {"name": "A100", "free_bytes": 39 * GIB, "total_bytes": 40 * GIB, "has_bfloat16": True} | changes


def test_installed_packages_are_those_needed() -> None:
    assert check_python().status == "ok"
    assert check_packages().status == "ok"


def test_package_problem_names_the_installed_and_the_needed_version() -> None:
    assert _problem_of(Requirement("no-such-package>=1")) == "no-such-package is not installed"
    problem = _problem_of(Requirement("torch<2"))
    assert problem.startswith("torch is 2.")
    assert problem.endswith("needed <2")


def test_machine_without_gpu_is_fine() -> None:
    finding = judge_gpus([], "13.2", has_driver=False)
    assert (finding.status, finding.found) == ("ok", "no NVIDIA GPU: trains on the CPU")


def test_driver_without_visible_gpu_fails_and_names_the_container_option() -> None:
    finding = judge_gpus([], "13.2", has_driver=True)
    assert finding.status == "fail"
    assert "--gpus all" in finding.todo


def test_torch_for_the_cpu_beside_a_driver_fails() -> None:
    assert "CUDA build" in judge_gpus([], None, has_driver=True).todo


def test_gpu_that_others_fill_is_a_warning() -> None:
    assert judge_gpus([a_gpu()], "13.2", has_driver=True).status == "ok"
    finding = judge_gpus([a_gpu(), a_gpu(free_bytes=1 * GIB)], "13.2", has_driver=True)
    assert finding.status == "warn"
    assert "1: A100, 1.0 of 40.0 GiB free" in finding.found


def test_gpu_without_bfloat16_says_in_what_it_trains() -> None:
    assert "float32" in judge_gpus([a_gpu(has_bfloat16=False)], "13.2", has_driver=True).found
