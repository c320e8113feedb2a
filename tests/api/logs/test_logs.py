"""Logs over HTTP: from the files alone, whatever is in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.support.live_run import LiveRun

from utp.logs.shortening import shorten
from utp.settings import Settings
from utp.store.recorder import Recorder

NASTY = b"\x00\xff</script>\x1b[31mred\x1b[0m\x1b]0;title\x07:actor_name:Fake\n"

Get = Callable[..., dict[str, Any]]


@pytest.fixture
def run(recorder: Recorder, settings: Settings) -> LiveRun:
    return LiveRun.running(recorder, settings)


@pytest.fixture
def get(client: TestClient, run: LiveRun) -> Get:
    def get(route: str = "", **query: Any) -> dict[str, Any]:
        answer = client.get(f"/api/v1/runs/{run.id}/logs{route}", params=query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    return get


def test_page_gives_lines_by_number_with_time_and_level(run: LiveRun, get: Get) -> None:
    text = "2026-11-23T07:34:58.122+00:00 WARNING slow"
    run.log(f"{text}\nplain\n".encode())
    page = get()
    first, second = page.pop("lines")
    assert first == {"line": 0, "at": "2026-11-23T07:34:58.122Z", "level": "warning", "text": text}
    assert second == {"line": 1, "at": None, "level": None, "text": "plain"}
    size = {"start": 0, "num_lines": 2, "size_bytes": len(text) + 7}
    assert page == {"attempt": 1, "stream": "rank0.log", "is_live": True, **size}
    assert [line["text"] for line in get(start=-1)["lines"]] == ["plain"]
    assert [line["line"] for line in get(start=1, limit=1)["lines"]] == [1]


def test_line_without_its_newline_comes_once_the_attempt_has_ended(run: LiveRun, get: Get) -> None:
    run.log(b"whole\nKilled")
    assert get()["num_lines"] == 1
    run.end_attempt()
    page = get()
    assert (page["num_lines"], page["is_live"], page["lines"][1]["text"]) == (2, False, "Killed")


def test_any_bytes_are_safe_to_show(run: LiveRun, get: Get) -> None:
    run.log(NASTY)
    assert get()["lines"][0]["text"] == "\\x00\ufffd</script>\x1b[31mred\x1b[0m:actor_name:Fake"


def test_run_that_has_not_begun_has_an_empty_log(client: TestClient, recorder: Recorder, settings: Settings) -> None:
    run = LiveRun.queued(recorder, settings)
    page = client.get(f"/api/v1/runs/{run.id}/logs").json()
    assert (page["attempt"], page["lines"], page["is_live"]) == (1, [], True)


def test_streams_of_all_attempts_are_listed(run: LiveRun, get: Get, settings: Settings) -> None:
    run.log(b"a\nb\n")
    run.log(b"c\n", "rank1.log")
    copy = settings.home / "logs" / run.id / "1" / "rank1.log"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"c\nd\n")
    streams = [(one["attempt"], one["stream"], one["num_lines"]) for one in get("/streams")["items"]]
    assert streams == [(1, "rank0.log", 2), (1, "rank1.log", 2)]
    assert get(stream="rank1.log")["num_lines"] == 2


def test_search_goes_backwards_and_filters_by_level(run: LiveRun, get: Get) -> None:
    run.log(b"".join(b"ERROR %d\nfine %d\n" % (n, n) for n in range(5)))
    found = get("/search", q="error", limit=2)
    assert [one["line"] for one in found["items"]] == [6, 8]
    assert (found["total"], found["is_complete"]) == (5, True)
    assert [one["line"] for one in get("/search", q="error", before=6, limit=1)["items"]] == [4]
    assert get("/search", level="error")["total"] == 5


def test_download_sends_the_bytes_and_ranges_of_them(client: TestClient, run: LiveRun) -> None:
    run.log(NASTY)
    route = f"/api/v1/runs/{run.id}/logs/download"
    whole = client.get(route)
    assert (whole.content, whole.headers["content-type"]) == (NASTY, "text/plain; charset=utf-8")
    part = client.get(route, headers={"Range": "bytes=2-10"})
    assert (part.status_code, part.content) == (206, NASTY[2:11])
    assert client.get(route, headers={"Range": "bytes=9999-"}).status_code == 416


def test_download_of_a_log_without_its_middle_leaves_the_zeros_out(client: TestClient, run: LiveRun) -> None:
    path = run.log(b"".join(b"line %06d of many\n" % number for number in range(200_000)))
    assert shorten(path, 1 << 20)
    route = f"/api/v1/runs/{run.id}/logs/download"
    whole = client.get(route)
    assert int(whole.headers["content-length"]) == len(whole.content) < 1 << 20
    lines = whole.content.split(b"\n")
    assert b"\0" not in whole.content
    marker = next(number for number, line in enumerate(lines) if line.startswith(b"[utp dropped"))
    assert [lines[number] for number in (0, marker - 1, -2)] == [
        b"line %06d of many" % number for number in (0, marker - 1, 199_999)
    ]
    middle = len(b"\n".join(lines[:marker]))
    for first, last in ((middle - 10, middle + 100_000), (len(whole.content) - 50, len(whole.content) - 1)):
        part = client.get(route, headers={"Range": f"bytes={first}-{last}"})
        assert part.content == whole.content[first : last + 1]
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(whole.content)}"


def test_link_that_a_run_put_in_place_of_a_log_is_not_followed(
    client: TestClient, run: LiveRun, tmp_path: Path, get: Get
) -> None:
    (tmp_path / "secret").write_text("secret")
    run.log(b"").unlink()
    (run.run_dir / "attempts/1/rank0.log").symlink_to(tmp_path / "secret")
    assert get()["lines"] == []
    assert get("/streams")["items"] == []
    assert client.get(f"/api/v1/runs/{run.id}/logs/download").status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"stream": "../../etc/passwd"}, 422),
        ({"stream": "metrics.jsonl"}, 422),
        ({"attempt": 7}, 404),
        ({"attempt": 0}, 422),
        ({"start": 2**60}, 422),
        ({"limit": 0}, 422),
        ({"attempt": 1}, 200),
    ],
)
def test_what_there_is_not_is_refused(client: TestClient, run: LiveRun, query: dict[str, Any], status: int) -> None:
    assert client.get(f"/api/v1/runs/{run.id}/logs", params=query).status_code == status


@pytest.mark.parametrize("route", ["", "/streams", "/search", "/download"])
def test_logs_of_an_unknown_run_are_not_found(client: TestClient, route: str) -> None:
    assert client.get(f"/api/v1/runs/{'f' * 32}/logs{route}").status_code == 404
