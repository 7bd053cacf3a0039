"""Sends messages, a bounded number at a time, and decides what becomes of each (R33)."""

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.backoff import Backoff
from publisher.domain.instants import from_milliseconds
from publisher.domain.mail_outcome import MailOutcome
from publisher.mail.delivery import Delivery
from publisher.mail.in_hand import InHand
from publisher.mail.outcomes import Patience, decided, put_back
from publisher.mail.pacing import Pacing
from publisher.mail.recording import Recorder
from publisher.mail.smtp.outcome import Envelope
from publisher.mail.smtp.pool import SmtpPool
from publisher.mail.waiting import wait_at_most

# However long the server was away, it is used again within ten seconds of its return.
_SERVER_AWAY = Backoff(timedelta(milliseconds=250), timedelta(seconds=10))


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery and the message to send for it."""

    delivery: Delivery
    message: Envelope


class Sender:
    """Sends what is put into its queue. Used by the event loop alone.

    width: how many messages are sent at once.
    """

    def __init__(
        self, pool: SmtpPool, in_hand: InHand, recorder: Recorder, patience: Patience, pacing: Pacing, width: int
    ) -> None:
        self._pool = pool
        self._in_hand = in_hand
        self._recorder = recorder
        self._patience = patience
        self._pacing = pacing
        self._width = width
        self._queue: asyncio.Queue[Outgoing | None] = asyncio.Queue()
        self._stopping = asyncio.Event()

    def put(self, outgoing: Outgoing) -> None:
        """Takes a message, to be sent after those before it."""
        self._queue.put_nowait(outgoing)

    def stop(self) -> None:
        """Begins no further message: those that wait are put back. `run` ends once those under way have ended."""
        self._stopping.set()
        for _ in range(self._width):
            self._queue.put_nowait(None)

    async def run(self) -> None:
        """Sends until stopped."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._width):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while (outgoing := await self._queue.get()) is not None:
            outcome, began = await self._send(outgoing)
            self._recorder.add(outgoing.delivery, outcome, began)

    async def _send(self, outgoing: Outgoing) -> tuple[MailOutcome, float | None]:
        """Returns the outcome, and when its try began by time.monotonic(); None: there was none."""
        delivery = outgoing.delivery
        tries = 0
        while True:
            await self._pacing.take(self._stopping)
            if not self._may_begin(delivery):
                return put_back(delivery), None
            began = time.monotonic()
            verdict = await self._pool.send(outgoing.message, lambda: self._may_begin(delivery))
            if verdict is not None:
                now = from_milliseconds(time.time_ns() // 1_000_000)
                return decided(delivery, verdict, self._patience, now, random.random()), began  # noqa: S311 - no secret
            # The server is away, whatever the message: it waits here, and counts no attempt. Or its lease is over.
            tries += 1
            await wait_at_most(self._stopping, _SERVER_AWAY.delay(tries, 0.0).total_seconds())

    def _may_begin(self, delivery: Delivery) -> bool:
        """Whether its transaction may begin: the process was not told to stop, and the lease is not over."""
        return not self._stopping.is_set() and self._in_hand.is_ours(delivery)
