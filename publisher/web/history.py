"""The snapshots of the last ten minutes: the newest whole, of the others the figures that a chart shows."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from publisher.domain.errors import PublisherError
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot

KEPT = timedelta(minutes=10)
# One comes each five seconds.
_MOST = 130


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """What a chart shows of a channel. published, retried, dead_lettered: a second. due, in_flight: routes."""

    published: float = 0.0
    retried: float = 0.0
    dead_lettered: float = 0.0
    due: int = 0
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """The figures of one snapshot. channels: by name; None: PostgreSQL could not be read."""

    at: datetime
    channels: Mapping[str, ChannelFigures] | None = field(default_factory=dict)

    def of(self, channel: str) -> ChannelFigures | None:
        """Returns the channel's figures; None: they are not known."""
        return None if self.channels is None else self.channels.get(channel, ChannelFigures())


class History:
    """Is added to by the thread that takes snapshots, and read by the pages.

    now: seconds of a clock that is never set back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._points: deque[Point] = deque(maxlen=_MOST)
        self._newest: Snapshot | None = None
        self._taken = 0.0

    def add(self, snapshot: Snapshot) -> None:
        """Adds a snapshot, and forgets the points that are older than ten minutes."""
        point = Point(snapshot.at, None if isinstance(snapshot.store, PublisherError) else _figures(snapshot.store))
        with self._lock:
            self._newest, self._taken = snapshot, self._now()
            self._points.append(point)
            while self._points[0].at < snapshot.at - KEPT:
                self._points.popleft()

    def newest(self) -> tuple[Snapshot, timedelta] | None:
        """Returns the newest snapshot and how long ago it was taken; None: none was taken yet."""
        with self._lock:
            if self._newest is None:
                return None
            return self._newest, timedelta(seconds=self._now() - self._taken)

    def points(self) -> Sequence[Point]:
        """Returns the figures of the last ten minutes, the oldest first."""
        with self._lock:
            return list(self._points)


def _figures(store: StoreSnapshot) -> Mapping[str, ChannelFigures]:
    seconds = store.window.total_seconds() or 1.0
    figures = {}
    for name in store.channels:
        happened, routes = store.activity(name), store.open(name)
        figures[name] = ChannelFigures(
            happened.published / seconds,
            happened.retried / seconds,
            happened.dead_lettered / seconds,
            routes.due,
            routes.in_flight,
        )
    return figures
