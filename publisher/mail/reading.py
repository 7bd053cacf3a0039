"""Reads commands off the stream, and deferred ones from PostgreSQL, as many as there is room for (R20, R33).

The loop has two states, as intake has. Recovering: with nothing in hand it takes up entries that it or a dead consumer
has read and not acknowledged. Reading: it waits for new entries. Any error of Redis leads back to recovering.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from publisher.domain.entry_ids import sent_at
from publisher.domain.errors import DatabaseRefused, PublisherError
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.mail.in_hand import InHand
from publisher.mail.kept_commands import KeptCommands
from publisher.mail.recording import Recorder
from publisher.mail.taking_up import TakingUp
from publisher.process.next_try import wait_for_next_try
from publisher.streams.consumer_group import ConsumerGroup, Entry, Recovered
from publisher.streams.parts import parts
from publisher.streams.recovery import isolated
from storage.accepting.intents import reject
from storage.database import Database
from storage.malformed.recording import IncomingMalformed

_log = structlog.get_logger()
_BLOCK = timedelta(seconds=1)
_GLANCE = timedelta(milliseconds=1)
# How often deferred messages are looked for, after none was due.
_DUE_SECONDS = 1.0
# A wait for room ends after so long at the latest, to show progress.
_TICK_SECONDS = 1.0
# Commands that are taken up together: a second's work, also where each has the size of the limit.
_PART_BYTES = 2 * 1024 * 1024
# How soon entries are looked for that stayed pending.
_MISSED_SECONDS = 3.0
# A consumer that has read nothing for so long belonged to a process that was killed.
_STALE = timedelta(hours=1)


class Reader:
    """Reads for one process. Used by the event loop alone.

    group: this process's consumer, with a client that nobody else uses.
    idle: after which time the unacknowledged entries of another consumer are taken over.
    beat: called whenever the loop goes on.
    """

    def __init__(
        self,
        database: Database,
        stream: str,
        group: ConsumerGroup,
        taking_up: TakingUp,
        kept: KeptCommands,
        in_hand: InHand,
        recorder: Recorder,
        idle: timedelta,
        stopping: threading.Event,
        beat: Callable[[], None],
    ) -> None:
        self._database = database
        self._stream = stream
        self._group = group
        self._taking_up = taking_up
        self._kept = kept
        self._in_hand = in_hand
        self._recorder = recorder
        self._idle = idle
        self._stopping = stopping
        self._beat = beat
        # Fewer are not worth their round trips.
        self._least = max(1, in_hand.room // 4)
        self._due_at = 0.0
        self.is_member = False

    async def run(self) -> None:
        """Reads until told to stop."""
        tries = 0
        while not self._stopping.is_set():
            try:
                await self._recover()
                tries = 0
                await self._read()
            except PublisherError as error:
                tries += 1
                await self._wait(tries, error)

    async def _recover(self) -> None:
        await self._empty_handed()
        self._in_hand.left.clear()
        if await asyncio.to_thread(self._group.create):
            await asyncio.to_thread(self._warn_of_history)
        self.is_member = True
        self._recorder.missed = False
        more = True
        while more and not self._stopping.is_set():
            recovered = await asyncio.to_thread(self._group.recover_own, self._in_hand.room)
            more = await self._take_recovered(recovered) and recovered.more
        more = True
        while more and not self._stopping.is_set():
            recovered = await asyncio.to_thread(self._group.recover_others, self._in_hand.room, self._idle)
            await self._take_recovered(recovered)
            more = recovered.more
        while not self._stopping.is_set() and await self._kept.take_over():
            await self._empty_handed()
        await asyncio.to_thread(self._group.remove_stale, _STALE)

    def _warn_of_history(self) -> None:
        """Warns that a new group reads the whole stream: another mail service may have sent what stands there."""
        entries, oldest = self._group.on_stream()
        if oldest is not None:
            _log.warning(
                "the consumer group is new: all commands on the stream are sent, also those that another mail service"
                " has sent",
                group=self._group.group,
                entries=entries,
                oldest_seconds=max(0, round(time.time() - sent_at(oldest).timestamp())),
            )

    async def _take_recovered(self, recovered: Recovered) -> bool:
        """Takes these entries up, and waits until they are recorded. Returns whether any of them is done with."""
        self._beat()
        if recovered.trimmed:
            _log.error("commands were removed from the stream before they were sent", entries=list(recovered.trimmed))
            await asyncio.to_thread(self._group.acknowledge, recovered.trimmed)
        for batch in isolated(recovered.entries, self._in_hand.room):
            await self._take(batch)
            await self._empty_handed()
        return not self._recorder.missed

    async def _read(self) -> None:
        looked = time.monotonic()
        while not self._stopping.is_set() and time.monotonic() - looked < self._idle.total_seconds() / 2:
            self._beat()
            if self._recorder.missed and time.monotonic() - looked > _MISSED_SECONDS:
                return
            room = self._in_hand.room
            if room < self._least:
                await self._in_hand.wait_for_fewer(_TICK_SECONDS)
                continue
            is_busy = await self._take_due(room)
            room = self._in_hand.room
            if room >= self._least:
                entries = await asyncio.to_thread(self._group.read, room, _GLANCE if is_busy else _BLOCK)
                await self._take(entries)

    async def _take_due(self, room: int) -> bool:
        """Takes up deferred deliveries, if it is time to look. Returns whether there may be more."""
        if time.monotonic() < self._due_at:
            return False
        taken = await self._kept.take_due(room)
        if taken < room:
            self._due_at = time.monotonic() + _DUE_SECONDS
        return taken == room

    async def _take(self, entries: Sequence[Entry]) -> None:
        """Takes entries up, a part after the other: messages of a megabyte take long to make."""
        taken = 0
        for part in parts(entries, lambda entry: entry.fields, _PART_BYTES):
            self._beat()
            if taken:
                await asyncio.to_thread(self._group.hold, [entry.id for entry in entries[taken:]])
            taken += len(part)
            await self._take_part(part)

    async def _take_part(self, entries: Sequence[Entry]) -> None:
        """Takes entries up, however long PostgreSQL is away, and keeps other consumers off them meanwhile."""
        tries = 0
        while entries and not self._stopping.is_set():
            try:
                done = await self._taking_up.take(entries)
            except DatabaseRefused as error:
                await self._apart(entries, error)
                return
            except PublisherError as error:
                tries += 1
                await asyncio.to_thread(self._group.hold, [entry.id for entry in entries])
                await self._wait(tries, error)
            else:
                self._in_hand.left |= {entry.id for entry in entries} - {*done, *self._in_hand.entries}
                await asyncio.to_thread(self._group.acknowledge, done)
                return

    async def _apart(self, entries: Sequence[Entry], error: DatabaseRefused) -> None:
        """Takes entries up one by one where PostgreSQL refused them together. One refused alone is malformed (R19a)."""
        if len(entries) > 1:
            for entry in entries:
                await self._take([entry])
            return
        reason = Rejection(RejectionCode.STORAGE_REFUSED, str(error))
        malformed = IncomingMalformed(entries[0].id, entries[0].fields, reason, is_plain=True)
        await asyncio.to_thread(reject, self._database, self._stream, [malformed])
        await asyncio.to_thread(self._group.acknowledge, [entries[0].id])

    async def _empty_handed(self) -> None:
        """Returns once every delivery in hand is recorded, or once told to stop."""
        while len(self._in_hand) and not self._stopping.is_set():
            self._beat()
            await self._in_hand.wait_for_fewer(_TICK_SECONDS)

    async def _wait(self, tries: int, error: PublisherError) -> None:
        await asyncio.to_thread(wait_for_next_try, "the mail service", self._stopping, tries, error)
        self._beat()
