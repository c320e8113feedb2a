"""`/api/v1/ws`: every event and every line once and in order, whoever comes, goes and comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect
from tests.api.conftest import ADMIN_ID, SignIn, make_token
from tests.support.live_run import LiveRun

from utp.api.events import connection, log_feed, log_subscription, metric_feed, run_feed
from utp.api.events.schemas import WsServerMessage
from utp.api.services import Services
from utp.settings import Settings
from utp.store.access import Role, Scope
from utp.store.recorder import Recorder
from utp.store.states import Outcome, Wish

SERVER_MESSAGE: TypeAdapter[Any] = TypeAdapter(WsServerMessage)
URL = "ws://localhost:8000/api/v1/ws"
NASTY = b"\x00\xff</script>\x1b[31mred\x1b[0m\x1b]0;title\x07\n"


class Socket:
    """A client's end; every message that comes is checked against the schema."""

    def __init__(self, session: WebSocketTestSession) -> None:
        self.session = session

    def say(self, **message: Any) -> None:
        self.session.send_text(json.dumps(message))

    def hear(self, *types: str) -> dict[str, Any]:
        """Return the next message of one of these types; of any type where none is named."""
        while True:
            text = self.session.receive_text()
            SERVER_MESSAGE.validate_json(text)
            message: dict[str, Any] = json.loads(text)
            if message["type"] == "mark":
                self.say(op="seen", number=message["number"])
            elif not types or message["type"] in types:
                return message

    def subscribe(self, number: int = 1, **asked: Any) -> None:
        self.say(op="sub", id=number, **asked)
        assert self.hear("subscribed", "error") == {"type": "subscribed", "id": number}

    def lines(self, until: int) -> list[int | str]:
        """Return numbers of lines and gaps as they come, up to the line with this number."""
        heard: list[int | str] = []
        while not heard or heard[-1] != until:
            message = self.hear("log", "log_gap", "log_attempt")
            if message["type"] == "log_gap":
                heard.append(f"{message['from_line']}-{message['to_line']}")
            elif message["type"] == "log":
                heard += [line["line"] for line in message["lines"]]
                assert message["start"] == message["lines"][0]["line"]
        return heard


@pytest.fixture
def run(recorder: Recorder, settings: Settings) -> LiveRun:
    return LiveRun.running(recorder, settings)


@pytest.fixture
def socket(client: TestClient) -> Iterator[Socket]:
    with client.websocket_connect(URL, subprotocols=["utp.v1"]) as session:
        assert session.accepted_subprotocol == "utp.v1"
        yield Socket(session)


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, last))


def test_log_goes_on_without_gap_or_double_while_clients_come_and_go(client: TestClient, run: LiveRun) -> None:
    heard: list[int | str] = []
    written = 0
    for size in (1, 50, 0, 700, 3, 1200):
        run.log(numbered(written, written + size))
        written += size
        with client.websocket_connect(URL) as session:
            socket = Socket(session)
            socket.subscribe(topic="log", run_id=run.id, stream="rank0.log", from_line=len(heard))
            run.log(numbered(written, written + 20))
            written += 20
            heard += socket.lines(until=written - 1)
    assert heard == list(range(written))


def test_new_lines_come_to_all_who_follow_and_half_a_line_to_nobody(client: TestClient, run: LiveRun) -> None:
    run.log(b"old\n")
    with client.websocket_connect(URL) as one, client.websocket_connect(URL) as other:
        sockets = [Socket(one), Socket(other)]
        for socket, from_line in zip(sockets, (0, -1), strict=True):
            socket.subscribe(topic="log", run_id=run.id, stream="rank0.log", from_line=from_line)
            assert [line["text"] for line in socket.hear("log")["lines"]] == ["old"]
        run.log(b"ha")
        run.log(b"lf\n" + NASTY)
        for socket in sockets:
            texts = [line["text"] for line in socket.hear("log")["lines"]]
            assert texts == ["half", "\\x00\ufffd</script>\x1b[31mred\x1b[0m"]


def test_log_that_does_not_exist_yet_is_followed_from_its_first_line(socket: Socket, run: LiveRun) -> None:
    socket.subscribe(topic="log", run_id=run.id, stream="rank1.log", from_line=0)
    run.log(b"first\n", "rank1.log")
    assert socket.hear("log")["lines"][0]["text"] == "first"


def test_who_is_too_far_behind_gets_a_gap_that_says_which_lines(
    socket: Socket, run: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_subscription, "MAX_BEHIND_BYTES", 2000)
    monkeypatch.setattr(log_subscription, "CATCH_UP_BYTES", 500)
    run.log(numbered(0, 1000))
    socket.subscribe(topic="log", run_id=run.id, stream="rank0.log", from_line=0)
    gap, first, *rest = socket.lines(until=999)
    assert gap == f"0-{first}"
    assert isinstance(first, int)
    assert rest == list(range(first + 1, 1000))


def test_lines_that_left_the_memory_come_from_the_file(
    socket: Socket, run: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_feed, "MAX_KEPT_BYTES", 1000)
    monkeypatch.setattr(log_feed, "PIECE_BYTES", 200)
    socket.subscribe(topic="log", run_id=run.id, stream="rank0.log", from_line=0)
    for first in range(0, 3000, 100):
        run.log(numbered(first, first + 100))
    assert socket.lines(until=2999) == list(range(3000))


def test_log_goes_on_with_the_next_attempt(socket: Socket, run: LiveRun) -> None:
    run.log(b"a1\n")
    socket.subscribe(topic="log", run_id=run.id, stream="rank0.log", from_line=0)
    assert socket.hear("log")["attempt"] == 1
    run.end_attempt(Outcome.PREEMPTED)
    run.begin_attempt()
    run.log(b"a2\n")
    assert socket.hear("log_attempt")["attempt"] == 2
    message = socket.hear("log")
    assert (message["attempt"], message["start"], message["lines"][0]["text"]) == (2, 0, "a2")


def test_events_of_a_run_come_once_and_in_order_over_reconnects(
    client: TestClient, recorder: Recorder, run: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_feed, "MAX_KEPT_EVENTS", 3)
    seqs, expected = list[int](), list[int]()
    for first in range(0, 40, 10):
        with client.websocket_connect(URL) as session:
            socket = Socket(session)
            socket.subscribe(topic="run", run_id=run.id, after_seq=seqs[-1] if seqs else 0)
            for step in range(first, first + 10):
                recorder.record_figure(run.id, 1, name=f"f{step}", path="x", step=step)
            while not seqs or seqs[-1] < newest(client):
                seqs.append(socket.hear("run_event")["event"]["seq"])
    expected = [event.seq for event in stored_events(client, run.id)]
    assert seqs == expected


def newest(client: TestClient) -> int:
    return int(stored_events(client)[-1].seq)


def stored_events(client: TestClient, run_id: str | None = None) -> list[Any]:
    app = client.app
    assert isinstance(app, FastAPI)
    return list(app.state.live._sources.events_after(0, run_id, 1000))


def test_row_of_a_run_comes_at_once_and_when_it_changes(socket: Socket, recorder: Recorder, run: LiveRun) -> None:
    socket.subscribe(topic="run", run_id=run.id)
    first = socket.hear("run")
    assert (first["run"]["id"], first["run"]["state"], first["run"]["attempt"]) == (run.id, "running", 1)
    recorder.set_wish(run.id, Wish.STOP, by="me")
    message = socket.hear("run_event")
    assert message["event"]["detail"]["new_state"] == "stopping"
    changed = socket.hear("run")
    assert changed["run"]["wish"] == "stop"
    assert changed["seq"] >= message["event"]["seq"] > first["seq"]


def test_progress_that_makes_no_event_comes_too(
    socket: Socket, recorder: Recorder, run: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_feed, "ROWS_EVERY_S", 0.05)
    socket.subscribe(topic="run", run_id=run.id)
    recorder.beat(run.id, 1, step=7, epoch=1)
    while socket.hear("run")["run"]["step"] != 7:
        pass


def test_project_tells_of_its_runs_and_of_no_others(
    socket: Socket, recorder: Recorder, settings: Settings, project_id: str
) -> None:
    socket.subscribe(topic="project", project_id=project_id)
    LiveRun.queued(recorder, settings, project="other")
    mine = LiveRun.queued(recorder, settings, project="fruit")
    assert socket.hear("run_event")["event"]["run_id"] == mine.id
    message = socket.hear("run")
    assert (message["run"]["id"], message["run"]["state"]) == (mine.id, "queued")


def test_project_tells_who_comes_back_what_has_changed(
    client: TestClient, recorder: Recorder, settings: Settings, project_id: str
) -> None:
    before = LiveRun.queued(recorder, settings, project="fruit")
    seq = newest(client)
    after = LiveRun.running(recorder, settings, project="fruit")
    with client.websocket_connect(URL) as session:
        socket = Socket(session)
        socket.subscribe(topic="project", project_id=project_id, after_seq=seq)
        assert socket.hear("run_event")["event"]["run_id"] == after.id
        assert socket.hear("run")["run"]["id"] == after.id
    assert before.id != after.id


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("{", "message"),
        ("[" * 10_000, "message"),
        ('{"op":"dance"}', "message"),
        ('{"op":"sub","id":1,"topic":"log","run_id":"../x"}', "sub.log.run_id"),
        ('{"op":"sub","id":1,"topic":"run","run_id":"' + "f" * 32 + '"}', None),
        ('{"op":"sub","id":1,"topic":"project","project_id":"' + "f" * 32 + '"}', None),
        ('{"op":"ping","more":1}', "ping.more"),
    ],
)
def test_what_cant_be_followed_is_an_error_and_the_socket_lives(
    socket: Socket, message: str, field: str | None
) -> None:
    socket.session.send_text(message)
    problem = socket.hear("error")["problem"]
    assert problem["status"] == (404 if field is None else 422)
    assert field is None or problem["errors"][0]["field"] == field
    socket.say(op="ping")
    assert socket.hear() == {"type": "pong"}


def test_subscription_ends_with_unsub_and_its_number_is_free_again(socket: Socket, run: LiveRun) -> None:
    socket.subscribe(topic="log", run_id=run.id, stream="rank0.log")
    socket.say(op="sub", id=1, topic="run", run_id=run.id)
    assert socket.hear("error")["id"] == 1
    socket.say(op="unsub", id=1)
    run.log(b"unheard\n")
    socket.subscribe(topic="run", run_id=run.id)
    assert socket.hear()["type"] == "run"


def test_feeds_rest_when_nobody_follows(client: TestClient, run: LiveRun) -> None:
    live = client.app.state.live  # type: ignore[attr-defined]
    with client.websocket_connect(URL) as session:
        socket = Socket(session)
        socket.subscribe(1, topic="log", run_id=run.id, stream="rank0.log")
        socket.subscribe(2, topic="run", run_id=run.id)
        assert (live.num_sockets, bool(live._runs._pump.followers)) == (1, True)
    for _ in range(100):
        if not live.num_sockets and not live._runs._pump.followers and not live._logs._followed:
            break
        client.get("/healthz")
    else:
        pytest.fail("something is still followed")


def test_both_unions_appear_in_the_document(app: FastAPI) -> None:
    schemas = app.openapi()["components"]["schemas"]
    assert {"WsClientMessage", "WsServerMessage", "SubscribeLog", "LogGap", "RunMessage"} <= schemas.keys()


def test_points_come_once_over_reconnects_and_a_cut_is_a_gap(client: TestClient, run: LiveRun) -> None:
    def points(first: int, last: int) -> list[dict[str, Any]]:
        return [{"kind": "train", "step": step, "epoch": 1, "train_loss": 1 / step} for step in range(first, last)]

    def hear_steps(socket: Socket, until: int) -> list[int]:
        heard: list[int] = []
        while not heard or heard[-1] < until:
            heard += socket.hear("metrics")["points"]["train_loss"]["steps"]
        return heard

    run.rows(*points(1, 5))
    asked = {"topic": "metrics", "run_ids": [run.id], "names": ["train_loss"]}
    with client.websocket_connect(URL) as session:
        socket = Socket(session)
        socket.subscribe(**asked, after_step={run.id: -1})
        assert hear_steps(socket, 4) == [1, 2, 3, 4]
        run.rows(*points(5, 8))
        assert hear_steps(socket, 7) == [5, 6, 7]
    run.rows(*points(8, 10))
    with client.websocket_connect(URL) as session:
        socket = Socket(session)
        socket.subscribe(**asked, after_step={run.id: 7})
        assert hear_steps(socket, 9) == [7, 8, 9]
        run.end_attempt(Outcome.PREEMPTED)
        run.begin_attempt(start_step=3)
        assert socket.hear("metrics_gap")["after_step"] == 3
        run.rows(*points(4, 6))
        assert hear_steps(socket, 5) == [4, 5]


def test_curve_that_grew_too_fast_is_a_gap(socket: Socket, run: LiveRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_feed, "MAX_POINTS", 10)
    socket.subscribe(topic="metrics", run_ids=[run.id])
    run.rows(*({"kind": "train", "step": step, "train_loss": 0.5} for step in range(100)))
    assert socket.hear("metrics_gap")["run_id"] == run.id


def test_queue_and_machines_come_at_once_and_when_they_change(
    socket: Socket, recorder: Recorder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket.subscribe(1, topic="queue")
    socket.subscribe(2, topic="agents")
    assert socket.hear("agents") == {"type": "agents", "id": 2, "items": []}
    run = LiveRun.queued(recorder, settings)
    while not (items := socket.hear("queue")["items"]):
        pass
    assert [item["run_id"] for item in items] == [run.id]


def test_stranger_is_closed_out_before_the_socket_opens(stranger: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, stranger.websocket_connect(URL):
        pass
    assert refused.value.code == 4401


def test_runs_of_others_do_not_exist(sign_in: SignIn, run: LiveRun, project_id: str) -> None:
    member = sign_in("mia", Role.MEMBER, projects=[project_id])
    with member.websocket_connect(URL) as session:
        socket = Socket(session)
        for topic in ({"topic": "run"}, {"topic": "log", "stream": "rank0.log"}):
            socket.say(op="sub", id=1, run_id=run.id, **topic)
            assert socket.hear("error")["problem"]["status"] == 404
        socket.say(op="sub", id=1, topic="metrics", run_ids=[run.id])
        assert socket.hear("error")["problem"]["status"] == 404


def test_socket_ends_with_its_token(client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "AUTHENTICATE_EVERY_S", 0.05)
    token = make_token(services, ADMIN_ID, Scope.ADMIN, life_s=0.5)
    headers = {"Authorization": f"Bearer {token}"}
    with client.websocket_connect(URL, headers=headers) as session:
        with pytest.raises(WebSocketDisconnect) as ended:
            session.receive_text()
        assert ended.value.code == 4401


def test_who_loses_a_project_is_told_to_come_back(
    sign_in: SignIn, recorder: Recorder, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "AUTHENTICATE_EVERY_S", 0.05)
    member = sign_in("mia", Role.MEMBER, projects=[project_id])
    with member.websocket_connect(URL) as session:
        user_id = member.get("/api/v1/me").json()["id"]
        recorder.set_member(project_id, user_id, is_member=False)
        assert Socket(session).hear() == {"type": "goodbye", "reason": "your rights have changed"}


def test_log_that_can_not_be_read_ends_one_subscription_and_not_the_socket(
    socket: Socket, run: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_tail: log_feed.LogTail) -> int:
        raise PermissionError(13, "Permission denied", "/canary/rank0.log")

    monkeypatch.setattr(log_feed.LogTail, "begin", refuse)
    socket.subscribe(1, topic="run", run_id=run.id)
    socket.say(op="sub", id=2, topic="log", run_id=run.id, stream="rank0.log", from_line=0)
    problem = socket.hear("error")["problem"]
    assert problem["status"] == 500
    assert "canary" not in str(problem)
    run.rows({"kind": "train", "step": 1, "train_loss": 0.5})
    run.end_attempt()
    assert socket.hear("run_event")["id"] == 1
