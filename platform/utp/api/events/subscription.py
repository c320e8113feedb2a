"""What one client follows on one topic.

Nothing is put aside for a client: it takes its next message when it has taken the one before. So a slow client costs
no memory and slows nobody; where it is too far behind, its next message is a gap.
"""

from __future__ import annotations

from typing import Protocol

from utp.api.events.pump import Wake


class Subscription(Protocol):
    """One topic of one client. Used on the event loop only."""

    async def open(self, wake: Wake) -> None:
        """Begin; `wake` is called when `take` may have something. Raises what the topic's reads raise."""
        ...

    async def take(self) -> str | None:
        """Return the next message as JSON text, None if there is none now."""
        ...

    def close(self) -> None:
        """End; also where `open` has failed."""
        ...
