"""Replays intents for an operator: surveys a range of the stream, then accepts its entries in an audited action.

It stands on intake's own replay, so that both judge and accept an intent in the same way.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import redis

from publisher.domain.entry_ids import before, first_at, place
from publisher.domain.errors import BadRequest
from publisher.domain.replay import ReplayRange, witnessed_since
from publisher.intake.acceptor import Acceptor
from publisher.intake.incoming import incoming
from publisher.intake.replay import IntentsReplay
from publisher.operations.changes.audited import audited
from publisher.settings.settings import Settings
from publisher.streams.health import read_clock
from publisher.streams.intents import IntentsGroup
from publisher.streams.intents_progress import read_progress
from publisher.streams.servers.stream_servers import StreamServers
from storage.accepting.intents import Acceptance
from storage.actions import ActionOutcome, advance_action
from storage.database import Database

__all__ = ["ActionOutcome", "ReplayByHand", "ReplayEnded", "ReplayTally", "ReplayWindow", "ranges_of"]

_ACTION = "replay-intents"
_NO_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReplayWindow:
    """The intents to be replayed, by when they were sent.

    since: the first instant.
    until: the end, exclusive; None: up to the last intent that was read.
    older_too: also those sent before the dedup window, which may be published a second time.
    """

    since: datetime
    until: datetime | None = None
    older_too: bool = False


@dataclass(slots=True)
class ReplayTally:
    """Numbers of stream entries.

    seen: looked at.
    missing: those that PostgreSQL lacks and that may be taken in.
    left_out: those that PostgreSQL lacks, and that were sent before the dedup window.
    replayed: taken in.
    """

    seen: int = 0
    missing: int = 0
    left_out: int = 0
    replayed: int = 0


@dataclass(frozen=True, slots=True)
class ReplayEnded:
    """The end of a replay.

    action: the id of its action.
    outcome: done or interrupted.
    tally: the numbers of its entries.
    """

    action: int
    outcome: ActionOutcome
    tally: ReplayTally


def ranges_of(servers: StreamServers, settings: Settings, window: ReplayWindow) -> Mapping[str, ReplayRange]:
    """Returns the range of the window that consumers have read, of each partition. Intake takes the rest.

    Raises BadRequest if the stream was never read, RedisUnavailable or RedisRefused.
    """
    found = {stream: _range_of(servers.of(stream), stream, settings, window) for stream in settings.intents_streams}
    wanted = {stream: range_ for stream, range_ in found.items() if range_ is not None}
    if not wanted:
        raise BadRequest(f"nothing was read of {settings.intents} yet: there is nothing to replay")
    return wanted


def _range_of(client: redis.Redis, stream: str, settings: Settings, window: ReplayWindow) -> ReplayRange | None:
    progress = read_progress(client, stream, settings.intents_group)
    if progress is None:
        return None
    last = progress.delivered
    if window.until is not None:
        last = min(before(first_at(window.until)), last, key=place)
    witnessed = _NO_INSTANT
    if not window.older_too:
        witnessed = witnessed_since(read_clock(client), settings.dedup_window, settings.route_lease_ttl)
    return ReplayRange(before(first_at(window.since)), last, None, witnessed)


class ReplayByHand:
    """Replays the entries of a range of each partition.

    servers: of its own, since the group reads replies raw. The replay is no member of the group.
    stopping: set to end it between two pages.
    """

    def __init__(
        self,
        database: Database,
        servers: StreamServers,
        settings: Settings,
        wanted: Mapping[str, ReplayRange],
        stopping: threading.Event,
    ) -> None:
        """wanted: by the name of the stream."""
        self._database = database
        self._stream = str(settings.intents)
        self._size = settings.batch_size
        self._stopping = stopping
        self._due: set[str] = set()
        self._parts = [
            (
                wanted_of_part,
                IntentsReplay(
                    database,
                    stream,
                    IntentsGroup(servers, stream, settings.intents_group, "replay"),
                    Acceptor(database, stream, stopping, lambda _: None),
                    lambda entry: incoming(entry, settings.channels),
                    self._note_due,
                ),
            )
            for stream, wanted_of_part in wanted.items()
        ]

    def survey(self, on_page: Callable[[int], None]) -> ReplayTally:
        """Counts the entries to be replayed. Changes nothing.

        on_page: called with the number of entries of each page that was checked.
        """
        tally = ReplayTally()
        for wanted, replay in self._parts:
            reached = wanted.after
            while not wanted.is_over(reached) and not self._stopping.is_set():
                page = replay.judge(wanted, reached, self._size)
                reached = page.reached
                tally.seen += page.seen
                tally.missing += len(page.missing)
                tally.left_out += page.left_out
                on_page(page.seen)
        return tally

    def run(
        self,
        by: str,
        window: ReplayWindow,
        matched: int,
        on_page: Callable[[int], None],
        wake: Callable[[str], bool],
    ) -> ReplayEnded:
        """Takes in what PostgreSQL lacks, and waits for PostgreSQL while it is away.

        It stops between two pages: when `stopping` is set, or at a KeyboardInterrupt in on_page, which is not raised
        on. Replaying again does the rest.

        by: the operator. window: kept in the audit. matched: how many are missing, as surveyed.
        on_page: told how many entries of a page were looked at.
        wake: at the end, tells the workers of a channel that routes of it are due.
        Raises RedisUnavailable or RedisRefused, or as Database does for the audit; the action has failed then.
        """
        tally = ReplayTally()
        target = {name: value for name, value in asdict(window).items() if value is not None}
        target["stream"] = self._stream
        with audited(self._database, _ACTION, by, target, matched, must_end=False) as action:
            try:
                outcomes = (self._pages(action.id, wanted, replay, tally, on_page) for wanted, replay in self._parts)
                stopped = any(outcome is ActionOutcome.INTERRUPTED for outcome in outcomes)
                action.outcome = ActionOutcome.INTERRUPTED if stopped else ActionOutcome.DONE
            except KeyboardInterrupt:
                action.outcome = ActionOutcome.INTERRUPTED
        for channel in sorted(self._due):
            wake(channel)
        return ReplayEnded(action.id, action.outcome, tally)

    def _pages(
        self,
        action_id: int,
        wanted: ReplayRange,
        replay: IntentsReplay,
        tally: ReplayTally,
        on_page: Callable[[int], None],
    ) -> ActionOutcome:
        reached = wanted.after
        while not wanted.is_over(reached):
            if self._stopping.is_set():
                return ActionOutcome.INTERRUPTED
            judged = replay.judge(wanted, reached, self._size)
            page = replay.take_in(judged)
            if page is None:
                return ActionOutcome.INTERRUPTED
            reached = page.reached
            tally.seen += page.seen
            tally.missing += len(judged.missing)
            tally.left_out += page.left_out
            tally.replayed += page.replayed
            if page.replayed:
                advance_action(self._database, action_id, page.replayed)
            on_page(page.seen)
        return ActionOutcome.DONE

    def _note_due(self, accepted: Acceptance) -> None:
        self._due.update(accepted.due)
