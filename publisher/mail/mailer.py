"""Runs the mail service of one process: reads commands, sends messages, records outcomes, side by side (R33)."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta

import structlog

from publisher.domain.errors import PublisherError
from publisher.mail.in_hand import InHand
from publisher.mail.leasing import Leasing
from publisher.mail.reading import Reader
from publisher.mail.recording import Recorder
from publisher.mail.sending import Sender
from publisher.mail.smtp.pool import SmtpPool
from publisher.process.watchdog import Watchdog
from publisher.streams.consumer_group import ConsumerGroup
from storage.database import Database
from storage.mail.deliveries import renew_mail

_log = structlog.get_logger()
# Messages under way get so long once the process was told to stop; then their connections are closed (R17).
_FINISH = timedelta(seconds=10)
# So long PostgreSQL may take to record them.
_RECORD = timedelta(seconds=5)


class Mailers:
    """The mail service of one process: on one stream, or on every partition of it, over one pool of connections."""

    def __init__(self, mailers: Sequence["Mailer"], pool: SmtpPool) -> None:
        self._mailers = mailers
        self._pool = pool

    async def run(self) -> None:
        """Works until told to stop. If one of them ends by an error, all do, and it is raised."""
        async with asyncio.TaskGroup() as tasks:
            for mailer in self._mailers:
                tasks.create_task(mailer.run())
        await self._pool.close()


class Mailer:
    """The mail service of one process on one stream.

    address: of the stream. The watchdog counts it by that, and `reader` beats on it: so the others hide no hang of it.
    group: this process's consumer, with a client that only this loop uses.
    """

    def __init__(
        self,
        database: Database,
        address: str,
        group: ConsumerGroup,
        reader: Reader,
        sender: Sender,
        recorder: Recorder,
        in_hand: InHand,
        pool: SmtpPool,
        leasing: Leasing,
        stopping: threading.Event,
        watchdog: Watchdog,
    ) -> None:
        self._database = database
        self._address = address
        self._group = group
        self._reader = reader
        self._sender = sender
        self._recorder = recorder
        self._in_hand = in_hand
        self._pool = pool
        self._leasing = leasing
        self._stopping = stopping
        self._watchdog = watchdog

    async def run(self) -> None:
        """Works until told to stop.

        Messages under way are finished, others in hand are put back, and all of it is recorded. What was read and not
        begun is given back to the other consumers, counting no delivery (R17).
        """
        with self._watchdog.at_work(self._address):
            await self._run()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            recording = tasks.create_task(self._recorder.run())
            sending = tasks.create_task(self._sender.run())
            renewing = tasks.create_task(self._renew())
            await self._reader.run()
            self._sender.stop()
            await self._until_sent(sending)
            self._recorder.close()
            await self._until_recorded(recording)
            renewing.cancel()
        if self._reader.is_member:
            await asyncio.to_thread(self._leave)

    async def _until_sent(self, sending: "asyncio.Task[None]") -> None:
        try:
            await asyncio.wait_for(asyncio.shield(sending), _FINISH.total_seconds())
        except TimeoutError:
            _log.warning("messages under way were cut off", messages=len(self._in_hand))
            self._pool.abort()
            await sending

    async def _until_recorded(self, recording: "asyncio.Task[None]") -> None:
        try:
            await asyncio.wait_for(recording, _RECORD.total_seconds())
        except TimeoutError:
            _log.error("outcomes of mail were not recorded: these messages are unsure", messages=len(self._in_hand))

    async def _renew(self) -> None:
        """Renews the leases in hand, and keeps other consumers off their entries. Best effort: a lease may run out."""
        while True:
            await asyncio.sleep(self._leasing.ttl.total_seconds() / 3)
            try:
                # By itself: while PostgreSQL is away for this process alone, no other one takes over what it has sent.
                await asyncio.to_thread(self._group.hold, self._in_hand.entries)
            except PublisherError as error:
                _log.warning("commands in hand may be taken over by another mailer", error=error)
            deliveries, asked_at = self._in_hand.deliveries, self._in_hand.now()
            try:
                held = await asyncio.to_thread(
                    renew_mail, self._database, self._leasing.token, deliveries, self._leasing.ttl
                )
                self._in_hand.renewed(deliveries, held, asked_at)
            except PublisherError as error:
                _log.warning("leases of messages in hand were not renewed", error=error)

    def _leave(self) -> None:
        try:
            self._group.give_back(self._leasing.ttl)
            self._group.leave()
        except PublisherError as error:
            _log.warning("the consumer stays in its group", consumer=self._group.consumer, error=str(error))
