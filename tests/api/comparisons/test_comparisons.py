"""Runs side by side: what differs, what is better, and whether that may be chance."""

from __future__ import annotations

import math
from statistics import stdev

import pytest
from starlette.testclient import TestClient
from tests.support.digits_runs import DigitsRuns

from utp.api.comparisons.run_statistics import best_index, mcnemar_exact_p


@pytest.mark.parametrize(("fixed", "broke"), [(10, 3), (5, 5), (0, 8), (0, 0), (200, 250), (1, 0)])
def test_p_value_is_twice_the_tail_of_a_fair_coin(fixed: int, broke: int) -> None:
    total = fixed + broke
    tail = sum(math.comb(total, hits) for hits in range(min(fixed, broke) + 1)) / 2**total
    assert mcnemar_exact_p(fixed, broke) == pytest.approx(min(1.0, 2 * tail), rel=1e-9)


def test_p_value_of_very_many_images_neither_overflows_nor_vanishes() -> None:
    assert 0 < mcnemar_exact_p(50_000, 49_000) < 0.01
    assert mcnemar_exact_p(50_000, 50_000) == 1.0


def test_best_is_highest_or_lowest_by_the_metric() -> None:
    assert best_index([1.0, None, 3.0], is_higher_better=True) == 2
    assert best_index([1.0, None, 3.0], is_higher_better=False) == 0
    assert best_index([2.0, 2.0], is_higher_better=True) is None
    assert best_index([1.0, 2.0], is_higher_better=None) is None


def test_runs_that_differ_in_their_seed_are_one_group(digits_client: TestClient, digits: DigitsRuns) -> None:
    ids = [digits.finished, digits.twin, digits.failed]
    found = digits_client.get("/api/v1/runs/compare", params={"ids": ",".join(ids)})
    assert found.status_code == 200, found.text
    compared = found.json()
    assert [run["id"] for run in compared["runs"]] == ids
    fields = {row["field"]: row["values"] for row in compared["config_diff"]}
    assert fields["seed"] == [0, 1, 0]
    assert "model_suffix" not in fields
    metrics = {row["metric"]: row for row in compared["metrics"]}
    first, second, none = metrics["test_acc@1"]["values"]
    assert none is None
    (group,) = compared["seed_groups"]
    assert group["run_ids"] == ids[:2]
    spread = group["metric"]["test_acc@1"]
    assert spread == {"mean": pytest.approx((first + second) / 2), "sd": pytest.approx(stdev([first, second])), "n": 2}


def test_images_that_one_run_mends_or_breaks_are_counted(digits_client: TestClient, digits: DigitsRuns) -> None:
    params = {"a": digits.finished, "b": digits.twin, "split": "test", "limit": 500}
    diff = digits_client.get("/api/v1/runs/compare/images", params=params).json()
    right = {}
    for run_id in (digits.finished, digits.twin):
        rows = []
        params = {"split": "test", "limit": 500}
        page = digits_client.get(f"/api/v1/runs/{run_id}/predictions", params=params).json()
        rows = page["items"]
        assert page["next_cursor"] is None
        right[run_id] = {row["path"] for row in rows if row["label"] == row["predicted"]}
    a, b = right[digits.finished], right[digits.twin]
    assert {one["path"] for one in diff["fixed"]} == b - a
    assert {one["path"] for one in diff["broke"]} == a - b
    assert (diff["num_both_right"], diff["num_fixed"], diff["num_broke"]) == (len(a & b), len(b - a), len(a - b))
    assert diff["p_value"] == pytest.approx(mcnemar_exact_p(len(b - a), len(a - b)))
    for one in diff["fixed"]:
        assert one["predicted_b"] == one["label_name"] != one["predicted_a"]


def test_comparison_needs_two_runs_that_are_there(digits_client: TestClient, digits: DigitsRuns) -> None:
    get = digits_client.get
    assert get("/api/v1/runs/compare", params={"ids": digits.finished}).status_code == 422
    assert get("/api/v1/runs/compare", params={"ids": f"{digits.finished},{'e' * 32}"}).status_code == 404
    same = {"a": digits.finished, "b": digits.finished}
    assert get("/api/v1/runs/compare/images", params=same).status_code == 422
    without = {"a": digits.finished, "b": digits.failed}
    assert get("/api/v1/runs/compare/images", params=without).status_code == 404
