"""`Connection`: one socket with its many subscriptions.

One task takes what the client says, another sends. A message is made when the one before is sent and the client says
that it has read most of what came before: what waits for a slow client is in the feeds, which all share, not here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from utp.api.errors import InvalidRequest, problem_of
from utp.api.events.live import Live
from utp.api.events.schemas import (
    CLIENT_MESSAGE,
    ErrorMessage,
    Goodbye,
    Mark,
    Ping,
    Pong,
    Seen,
    Subscribed,
    Unsubscribe,
)
from utp.api.events.subscription import Subscription
from utp.api.events.window import Window
from utp.api.security.permissions import Principal
from utp.errors import UtpError
from utp.store.errors import StoreError

MAX_MESSAGE_CHARACTERS = 16 << 10
MAX_SUBSCRIPTIONS = 200
MAX_REPLIES = 50
"""Replies not sent yet; with more the client is not listened to until it has taken some."""
SEND_TIMEOUT_S = 300.0
"""A client that takes nothing for so long is gone."""
AUTHENTICATE_EVERY_S = 60.0
GOING_AWAY, TOO_BIG, TRY_AGAIN_LATER, NOT_SIGNED_IN = 1012, 1009, 1013, 4401

_log = logging.getLogger(__name__)


class Connection:
    """Used on the event loop only.

    Args:
        socket: accepted.
        live: what the sockets of this process share.
        principal: who connected.
        authenticate: says who that is now, None for a token that has ended; called in a thread.
    """

    def __init__(
        self, socket: WebSocket, live: Live, principal: Principal, authenticate: Callable[[], Principal | None]
    ) -> None:
        self._socket = socket
        self._live = live
        self._principal = principal
        self._authenticate = authenticate
        self._subscriptions: dict[int, Subscription] = {}
        self._replies: deque[str] = deque()
        self._something = asyncio.Event()
        self._has_room = asyncio.Event()
        self._goodbye: str | None = None
        self._window = Window()

    async def run(self) -> None:
        """Serve the client until it leaves, or is told to."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._until_it_ends, self._listen, tasks.cancel_scope)
                tasks.start_soon(self._until_it_ends, self._send, tasks.cancel_scope)
                tasks.start_soon(self._until_it_ends, self._watch, tasks.cancel_scope)
        finally:
            for subscription in self._subscriptions.values():
                subscription.close()

    def say_goodbye(self, reason: str) -> None:
        """End after what is being sent."""
        self._goodbye = reason
        self._window.lift()
        self._something.set()

    async def _until_it_ends(self, work: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
        """Do one direction; when it ends, so does the other."""
        try:
            await work()
        except WebSocketDisconnect:
            pass
        except TimeoutError:
            await self._close(TRY_AGAIN_LATER)
        finally:
            scope.cancel()

    async def _listen(self) -> None:
        while True:
            text = await self._socket.receive_text()
            if len(text) > MAX_MESSAGE_CHARACTERS:
                await self._close(TOO_BIG)
                return
            await self._obey(text)
            while len(self._replies) > MAX_REPLIES:
                self._has_room.clear()
                await self._has_room.wait()

    async def _obey(self, text: str) -> None:
        try:
            message = CLIENT_MESSAGE.validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "message"
            self._refuse(None, InvalidRequest(where, None, str(first["msg"]), "see WsClientMessage in /openapi.json"))
            return
        if isinstance(message, Ping):
            self._reply(Pong(type="pong"))
        elif isinstance(message, Seen):
            self._window.note_seen(message.number)
        elif isinstance(message, Unsubscribe):
            if (subscription := self._subscriptions.pop(message.id, None)) is not None:
                subscription.close()
        elif message.id in self._subscriptions or len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            way_out = f"unsub it first; {MAX_SUBSCRIPTIONS} subscriptions at most, each with an id of its own"
            self._refuse(message.id, InvalidRequest("id", message.id, "can't be subscribed", way_out))
        else:
            await self._subscribe(message.id, message)

    async def _subscribe(self, number: int, asked: Any) -> None:
        try:
            subscription = await asyncio.to_thread(self._live.check, self._principal, asked)
            try:
                await subscription.open(partial(self._something.set))  # each its own, so that each can be taken back
            except BaseException:
                subscription.close()
                raise
        except Exception as error:  # noqa: BLE001  of one subscription: it does not begin, the others go on
            self._give_up(number, error)
            return
        self._reply(Subscribed(type="subscribed", id=number))
        self._subscriptions[number] = subscription

    async def _watch(self) -> None:
        """End the socket soon after its token, or when its owner sees more or less than before."""
        while True:
            await anyio.sleep(AUTHENTICATE_EVERY_S)
            try:
                principal = await asyncio.to_thread(self._authenticate)
            except StoreError:
                continue  # nobody can sign in or out either
            if principal is None:
                await self._close(NOT_SIGNED_IN)
                return
            if principal != self._principal:
                self.say_goodbye("your rights have changed")

    async def _send(self) -> None:
        while self._goodbye is None:
            await self._something.wait()
            self._something.clear()
            while await self._send_round() and self._goodbye is None:
                pass
        await self._send_text(Goodbye(type="goodbye", reason=self._goodbye).model_dump_json())
        await self._close(GOING_AWAY)

    async def _send_round(self) -> bool:
        """Send the replies and one message of each subscription; return whether there was any."""
        was_any = bool(self._replies)
        while self._replies:
            await self._send_text(self._replies.popleft())
            self._has_room.set()
        for number, subscription in tuple(self._subscriptions.items()):
            if (message := await self._take(number, subscription)) is not None and number in self._subscriptions:
                await self._send_text(message)
                was_any = True
        return was_any

    async def _take(self, number: int, subscription: Subscription) -> str | None:
        try:
            return await subscription.take()
        except Exception as error:  # noqa: BLE001  of one subscription: it ends, the others go on
            if number not in self._subscriptions:
                return None
            del self._subscriptions[number]
            subscription.close()
            self._give_up(number, error)
            return None

    async def _send_text(self, text: str) -> None:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._window.wait()
            await self._socket.send_text(text)
            if (number := self._window.count(len(text))) is not None:
                await self._socket.send_text(Mark(type="mark", number=number).model_dump_json())

    def _reply(self, message: BaseModel) -> None:
        self._replies.append(message.model_dump_json(exclude_none=True))
        self._something.set()

    def _give_up(self, number: int, error: Exception) -> None:
        if not isinstance(error, UtpError):
            _log.error("a subscription failed", exc_info=error)
        self._refuse(number, error)

    def _refuse(self, number: int | None, error: Exception) -> None:
        self._replies.append(ErrorMessage(type="error", id=number, problem=problem_of(error)).model_dump_json())
        self._something.set()

    async def _close(self, code: int) -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            await self._socket.close(code)
