"""Checkpoints are listed with their files, which are sent whole or in part, and nothing else is."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from tests.support.digits_runs import DigitsRuns


def test_files_are_sent_whole_and_in_part(digits_client: TestClient, digits: DigitsRuns) -> None:
    listed = digits_client.get(f"/api/v1/runs/{digits.finished}/checkpoints").json()
    newest = listed["items"][-1]
    assert sum(one["is_best"] for one in listed["items"]) == 1
    assert {"best.pt", "_best_meta.json", "config.json"} <= {one["name"] for one in listed["files"]}
    (weights,) = [one for one in newest["files"] if one["name"] == "model.safetensors"]
    place = next(digits.mounts.glob(f"shared/checkpoints/digits/*scratch/{newest['name']}/model.safetensors"))
    content = place.read_bytes()
    whole = digits_client.get(weights["url"])
    assert (whole.status_code, whole.content == content) == (200, True)
    assert len(content) == weights["size_bytes"]
    part = digits_client.get(weights["url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(content)}"
    end = digits_client.get(weights["url"], headers={"Range": "bytes=-5", "If-Range": whole.headers["ETag"]})
    assert end.content == content[-5:]
    older = digits_client.get(weights["url"], headers={"Range": "bytes=-5", "If-Range": '"other"'})
    assert (older.status_code, len(older.content)) == (200, len(content))


def test_files_beside_the_checkpoints_are_sent(digits_client: TestClient, digits: DigitsRuns) -> None:
    listed = digits_client.get(f"/api/v1/runs/{digits.finished}/checkpoints").json()
    for one in listed["files"]:
        answer = digits_client.get(one["url"])
        assert (answer.status_code, len(answer.content)) == (200, one["size_bytes"])


@pytest.mark.parametrize("range_", ["bytes=99999999999-", "bytes=5-4", "bytes=-0"])
def test_range_without_a_byte_is_refused(digits_client: TestClient, digits: DigitsRuns, range_: str) -> None:
    url = f"/api/v1/runs/{digits.finished}/checkpoints/files/files/best.pt"
    assert digits_client.get(url, headers={"Range": range_}).status_code == 416


@pytest.mark.parametrize("range_", ["bytes=0-1,4-5", "lines=1-2", "bytes=a-b", f"bytes={'9' * 100}-"])
def test_other_ranges_get_the_whole_file(digits_client: TestClient, digits: DigitsRuns, range_: str) -> None:
    url = f"/api/v1/runs/{digits.finished}/checkpoints/files/files/_best_meta.json"
    assert digits_client.get(url, headers={"Range": range_}).status_code == 200


@pytest.mark.parametrize(
    "rest",
    ["files/files/none.pt", "none/files/x", "..%2f/files/x", "files/files/..", "files/files/%2e%2e", "hf/files/.x"],
)
def test_nothing_else_is_sent(digits_client: TestClient, digits: DigitsRuns, rest: str) -> None:
    answer = digits_client.get(f"/api/v1/runs/{digits.finished}/checkpoints/{rest}")
    assert answer.status_code in (403, 404, 422)


def test_run_without_checkpoints_lists_none(digits_client: TestClient, digits: DigitsRuns) -> None:
    assert digits_client.get(f"/api/v1/runs/{digits.failed}/checkpoints").json() == {"items": [], "files": []}
    assert digits_client.get(f"/api/v1/runs/{'e' * 32}/checkpoints").status_code == 404
