"""Tells the workers which new routes are due at once: a message is a hint, and the next scan finds the others (R14)."""

from collections.abc import Callable, Sequence

import structlog

from publisher.domain.errors import PublisherError
from storage.accepting.intents import Acceptance
from storage.claiming import leases
from storage.database import Database

_log = structlog.get_logger()


# Sends a message for each channel, lane and route keys, and names the handover that leases them. False if it could not.
Send = Callable[[Sequence[tuple[str, str, Sequence[int]]], str | None], bool]


class Telling:
    """Tells the workers of each acceptance. Safe to share between threads."""

    def __init__(self, database: Database, size: int, send: Send) -> None:
        """size: how many routes a message names at most."""
        self._database = database
        self._size = size
        self._send = send

    def __call__(self, accepted: Acceptance) -> None:
        """Sends the messages about the new routes, all at once. If they cannot be sent, the scan finds the routes."""
        news = [
            (channel, lane, ids[start : start + self._size])
            for (channel, lane), ids in accepted.by_lane.items()
            for start in range(0, len(ids), self._size)
        ]
        if news and not self._send(news, accepted.handover) and accepted.handover is not None:
            self._take_back([id_ for _, _, ids in news for id_ in ids], accepted.handover)

    def _take_back(self, ids: Sequence[int], handover: str) -> None:
        """Ends the handover of routes that no worker was told of. Best effort: it runs out as well."""
        try:
            leases.release(self._database, handover, ids)
        except PublisherError as error:
            _log.warning("routes that no worker was told of wait until their handover runs out", error=error)
