"""Waits for an event, for so long at most."""

import asyncio


async def wait_at_most(event: asyncio.Event, seconds: float) -> None:
    """Returns once the event is set, or after so many seconds."""
    try:
        # Not wait_for: that of Python 3.11 loses a cancellation that comes with what it waits for.
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
