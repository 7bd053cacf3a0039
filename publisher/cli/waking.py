"""Waking the workers from a command: a hint, the scans find everything without it (R14)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.context import Context


def waker(context: "Context") -> Callable[[str], bool]:
    """Returns a function that tells a channel's workers to look for due routes; it returns False if it could not.

    A channel that is not installed has no workers: that is no failure.
    """
    # Imported once the context is installed: an actor binds to the broker of its import.
    from actors.routes import as_hint, send_scan

    def wake(channel: str) -> bool:
        return channel not in context.channels or as_hint(send_scan, channel)

    return wake
