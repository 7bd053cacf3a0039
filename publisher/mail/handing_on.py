"""Hands on deliveries that were begun: to the server, or to the record of why they are not sent (R33)."""

import asyncio
import time
from collections.abc import Collection, Sequence

import structlog

from publisher.domain.instants import from_milliseconds
from publisher.mail.composing import Composed
from publisher.mail.delivery import Delivery
from publisher.mail.outcomes import suppressed, unsendable
from publisher.mail.recording import Recorder
from publisher.mail.sending import Outgoing, Sender
from publisher.mail.smtp.outcome import Envelope
from storage.database import Database
from storage.mail.suppressions import suppressed_addresses

_log = structlog.get_logger()


class HandingOn:
    """Hands on deliveries in hand. Used by the event loop alone."""

    def __init__(self, database: Database, sender: Sender, recorder: Recorder) -> None:
        self._database = database
        self._sender = sender
        self._recorder = recorder

    async def suppressed(self, composed: Sequence[Composed]) -> Collection[str]:
        """Returns the suppressed addresses among those of these messages. Raises DatabaseUnavailable."""
        addresses = [made.command.to for made in composed]
        return await asyncio.to_thread(suppressed_addresses, self._database, addresses) if addresses else ()

    def __call__(self, begun: Sequence[tuple[Delivery, Composed]], refused: Collection[str]) -> None:
        """Hands these on. refused: the suppressed addresses among theirs."""
        now = from_milliseconds(time.time_ns() // 1_000_000)
        for delivery, made in begun:
            if made.command.to in refused:
                self._recorder.add(delivery, suppressed(delivery.begun, now))
            elif isinstance(made.message, Envelope):
                self._sender.put(Outgoing(delivery, made.message))
            else:
                self._recorder.add(delivery, unsendable(delivery.begun, made.message, now))


def warn_of_held(held: Collection[str]) -> None:
    """Logs the deliveries that are held since their process died."""
    for delivery_id in sorted(held):
        _log.warning(
            "a message may have been sent by a process that died: it is held for an operator", delivery_id=delivery_id
        )
