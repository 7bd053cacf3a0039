"""Keeps the mark up to which intents are committed, and replays intents that PostgreSQL may have lost.

Intake takes a step between two reads. Once a second, or every three while no intent comes, the step compares how far
the group has acknowledged, the mark in PostgreSQL, and the copy of the mark in Redis. Normally the mark advances. If
PostgreSQL is another server, was restarted, or has a lower mark than the copy, it may have lost intents. Then the
entries acknowledged since its mark are read again, and intents that it lacks are accepted again. One process replays, a
page a step, and reads new intents in between.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import redis
import structlog

from publisher.domain.entry_ids import place
from publisher.domain.errors import PublisherError
from publisher.domain.isolation import at_once
from publisher.domain.loss import LossCause
from publisher.domain.replay import TRIES, ReplayRange, witnessed_since
from publisher.intake.losses import record_losses
from publisher.intake.replay import IntentsReplay
from publisher.process.telemetry import Telemetry
from publisher.streams.intents_progress import IntentsProgress, last_id, read_progress, write_mark
from publisher.streams.servers.stream_servers import StreamServers
from storage.accepting import marks, replays
from storage.accepting.losses import record_loss
from storage.accepting.replays import HeldReplay, Page, ReplayReason
from storage.database import Database

_log = structlog.get_logger()
_INTERVAL = timedelta(seconds=1)
# While the group stands still, and the mark with it, which must be renewed once a minute.
_AT_REST, _RENEWAL = timedelta(seconds=3), timedelta(seconds=15)
# An error that lasts is logged once a minute.
_SILENCE = timedelta(minutes=1)


@dataclass(frozen=True)
class MarkingOptions:
    """The policy of marking.

    stream, group: those of the intents.
    by: this process, as the lease of a replay names it.
    batch: entries a page.
    lease: how long a replay stays this process's own after a page, and how long publishing a replayed route may take.
    dedup_window: how long a witness lives.
    """

    stream: str
    group: str
    by: str
    batch: int
    lease: timedelta
    dedup_window: timedelta


class Marking:
    """Marks and replays for one intake process. One thread at a time."""

    def __init__(
        self,
        database: Database,
        servers: StreamServers,
        replay: IntentsReplay,
        telemetry: Telemetry,
        options: MarkingOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._servers, self._replay, self._telemetry = database, servers, replay, telemetry
        self._options = options
        # A stream of this name on another Redis has another mark: while intents move, an intake reads each.
        self._marked = str(servers.location_of(options.stream))
        self._clock = clock
        self._due = self._told = self._renewed = float("-inf")
        self._pause = _INTERVAL
        self._held: HeldReplay | None = None
        self._held_since = 0.0

    @property
    def _client(self) -> redis.Redis:
        return self._servers.of(self._options.stream)

    def step(self) -> bool:
        """Marks, or replays a page, if that is due. Returns True if a replay of this process has more pages.

        Raises no error of a server: the mark advances later, and intents are accepted meanwhile.
        """
        now = self._clock()
        if now < self._due:
            return False
        try:
            if self._held is None:
                self._check_mark()
            else:
                self._page(self._held)
        except PublisherError as error:
            self._due = now + _INTERVAL.total_seconds()
            if now - self._told >= _SILENCE.total_seconds():
                self._told = now
                _log.warning("how far intents are committed cannot be marked now", error=error)
            return False
        if self._held is None:
            self._due = now + self._pause.total_seconds()
        return self._held is not None

    def tell_losses(self) -> None:
        """Records lost intents now. If a server is away, the next step does it, or the next intake process."""
        with suppress(PublisherError):
            record_losses(self._database, self._client, self._options.stream, self._telemetry)

    def leave(self) -> None:
        """Gives back the lease of a replay, so that another process continues it. Raises as Database does."""
        if self._held is not None:
            replays.release_replay(self._database, self._held.id, self._options.by)
            self._held = None

    def _check_mark(self) -> None:
        # Redis first: PostgreSQL, asked later, has at least as much, unless it went back.
        stream, self._pause = self._options.stream, _INTERVAL
        record_losses(self._database, self._client, stream, self._telemetry)
        progress = read_progress(self._client, stream, self._options.group)
        if progress is None:
            return
        mark = marks.read_mark(self._database, self._marked)
        if mark.entry_id is None and progress.mark is not None and marks.take_over_mark(self._database, self._marked):
            mark = marks.read_mark(self._database, self._marked)
        if mark.entry_id is None and progress.mark is None and not mark.replaying:
            marks.begin_mark(self._database, self._marked, progress.acknowledged)
        elif mark.entry_id is None or mark.replaying or not mark.is_ours or _is_behind(mark.entry_id, progress.mark):
            self._take_up(progress)
        else:
            self._advance(mark.entry_id, progress)

    def _advance(self, marked: str, progress: IntentsProgress) -> None:
        stream, now = self._options.stream, self._clock()
        if progress.acknowledged == progress.mark == marked and now - self._renewed < _RENEWAL.total_seconds():
            self._pause = _AT_REST
            return
        self._renewed = now
        if place(progress.acknowledged) < place(marked) and place(last_id(self._client, stream)) < place(marked):
            # The stream begins again with lower ids. Redis first: it must never be ahead.
            write_mark(self._client, stream, progress.acknowledged)
            marks.advance_mark(self._database, self._marked, progress.acknowledged, again=True)
        elif marks.advance_mark(self._database, self._marked, progress.acknowledged):
            write_mark(self._client, stream, progress.acknowledged)
        elif _is_behind(progress.mark, marked):
            write_mark(self._client, stream, marked)

    def _take_up(self, progress: IntentsProgress) -> None:
        options = self._options
        reason = replays.begin_replay(self._database, self._marked, up_to=progress.delivered, witnessed=progress.mark)
        if reason is not None:
            # A restart alone loses nothing. If intents are missing all the same, the replay's end warns of them.
            restarted = reason is ReplayReason.OTHER_SERVER
            (_log.info if restarted else _log.warning)(
                "postgresql was restarted, or is another server: intents that it may lack are looked for"
                if restarted
                else "postgresql may have gone back: intents acknowledged since its mark are looked for",
                reason=reason.value,
                stream=options.stream,
                up_to=progress.delivered,
            )
        self._held = replays.claim_replay(
            self._database, self._marked, options.by, options.lease, up_to=progress.delivered
        )
        self._held_since = self._clock()

    def _page(self, held: HeldReplay) -> None:
        options = self._options
        now = held.now + timedelta(seconds=self._clock() - self._held_since)
        wanted = ReplayRange(
            held.reached_id,
            held.up_to_id,
            held.covered_at,
            witnessed_since(now, options.dedup_window, options.lease),
        )
        page: Page | None
        if wanted.is_over(held.reached_id):
            self._end(held)
            return
        if held.tries > TRIES:
            page = self._replay.set_aside(wanted, held.reached_id)
        else:
            judged = self._replay.judge(wanted, held.reached_id, at_once(options.batch, held.tries))
            page = self._replay.take_in(judged)
        if page is None:
            return
        self._telemetry.intents("replayed", page.replayed)
        if replays.advance_replay(self._database, held.id, options.by, options.lease, page):
            self._held = _after(held, page)
        else:
            self._held = None

    def _end(self, held: HeldReplay) -> None:
        stream = self._options.stream
        [record] = replays.latest_replays(self._database, [self._marked])
        if record.left_out:
            record_loss(
                self._database, stream, LossCause.NOT_REPLAYED, record.after_id, record.up_to_id, record.left_out
            )
        mark = replays.end_replay(self._database, held.id, self._options.by)
        self._held = None
        if mark is None:
            return
        write_mark(self._client, stream, mark)
        tell = _log.warning if record.replayed or record.left_out else _log.info
        tell(
            "intents were looked for that postgresql may have lost",
            reason=record.reason.value,
            stream=stream,
            after=record.after_id,
            up_to=record.up_to_id,
            seen=record.seen,
            replayed=record.replayed,
            left_out=record.left_out,
        )


def _is_behind(one: str | None, other: str | None) -> bool:
    return other is not None and (one is None or place(one) < place(other))


def _after(held: HeldReplay, page: Page) -> HeldReplay:
    return HeldReplay(held.id, held.reason, page.reached, held.up_to_id, held.covered_at, 1, held.now)
