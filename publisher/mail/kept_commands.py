"""Takes up deliveries whose command PostgreSQL keeps: deferred ones, and those that a dead process left (R33)."""

import asyncio
from collections.abc import Sequence

from publisher.domain.errors import PublisherError
from publisher.domain.rejection import Rejection
from publisher.mail.composing import Composed, Composer, unreadable
from publisher.mail.delivery import Delivery, fields_of_json
from publisher.mail.handing_on import HandingOn, warn_of_held
from publisher.mail.in_hand import InHand
from publisher.mail.leasing import Leasing
from publisher.mail.outcomes import put_back
from publisher.mail.recording import Recorder
from storage.database import Database
from storage.mail.deliveries import BegunMail, begin_due_mail, hold_abandoned_retries, take_over_mail

# As often as an entry of a stream is given to a consumer, before it counts as poison.
_MOST_TAKEOVERS = 5


class KeptCommands:
    """Takes up deliveries with their kept commands. Used by the event loop alone."""

    def __init__(
        self,
        database: Database,
        composer: Composer,
        leasing: Leasing,
        in_hand: InHand,
        handing_on: HandingOn,
        recorder: Recorder,
    ) -> None:
        self._database = database
        self._composer = composer
        self._leasing = leasing
        self._in_hand = in_hand
        self._handing_on = handing_on
        self._recorder = recorder

    async def take_due(self, limit: int) -> int:
        """Takes up deferred deliveries whose time has come. Returns how many, at most `limit`.

        Raises DatabaseUnavailable or DatabaseRefused.
        """
        asked_at, leasing = self._in_hand.now(), self._leasing
        due = await asyncio.to_thread(begin_due_mail, self._database, leasing.token, leasing.ttl, limit)
        await self._take(due, asked_at)
        return len(due)

    async def take_over(self) -> bool:
        """Takes up one deferred delivery that a dead process has left, or holds it for an operator.

        It is held if the settings say so, or after five takeovers in a row: perhaps it kills its processes.
        Returns whether one was taken up. Raises DatabaseUnavailable or DatabaseRefused.
        """
        leasing = self._leasing
        least = _MOST_TAKEOVERS if leasing.takes_over else 0
        warn_of_held(await asyncio.to_thread(hold_abandoned_retries, self._database, leasing.ttl, least))
        asked_at = self._in_hand.now()
        found = await asyncio.to_thread(take_over_mail, self._database, leasing.token, leasing.ttl)
        if found is not None:
            await self._take([found], asked_at)
        return found is not None

    async def _take(self, begun: Sequence[BegunMail], asked_at: float) -> None:
        self._recorder.count_unsure(begun)
        taken = [self._composed(each) for each in begun]
        self._in_hand.add([delivery for delivery, _ in taken], asked_at)
        try:
            refused = await self._handing_on.suppressed([made for _, made in taken])
        except PublisherError:
            for delivery, _ in taken:
                self._recorder.add(delivery, put_back(delivery))
            raise
        self._handing_on(taken, refused)

    def _composed(self, begun: BegunMail) -> tuple[Delivery, Composed]:
        fields = fields_of_json(begun.command or "{}")
        made = self._composer(fields)
        if isinstance(made, Rejection):
            # It was a command when it was kept: another release kept it, or somebody changed it.
            made = unreadable(begun.delivery_id, made)
        return Delivery(begun, None, fields, made.command), made
