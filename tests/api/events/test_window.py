"""What a client may have outstanding."""

from __future__ import annotations

import asyncio

from utp.api.events.window import MARK_EVERY, SIZE, Window


async def has_room(window: Window) -> bool:
    try:
        async with asyncio.timeout(0.01):
            await window.wait()
    except TimeoutError:
        return False
    return True


def test_nothing_more_is_sent_until_the_client_has_read_most() -> None:
    async def fill() -> None:
        window = Window()
        marks = [window.count(MARK_EVERY) for _ in range(SIZE // MARK_EVERY)]
        assert marks == [1, 2, 3, 4]
        assert not await has_room(window)
        window.note_seen(5)  # never sent
        assert not await has_room(window)
        window.note_seen(1)
        assert await has_room(window)
        window.count(MARK_EVERY)
        window.note_seen(1)
        assert not await has_room(window)
        window.lift()
        assert await has_room(window)

    asyncio.run(fill())


def test_short_messages_are_marked_together() -> None:
    window = Window()
    marks = [window.count(MARK_EVERY // 3 + 1) for _ in range(6)]
    assert marks == [None, None, 1, None, None, 2]
