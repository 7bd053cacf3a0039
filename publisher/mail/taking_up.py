"""Takes commands up: makes their messages, begins their deliveries, and hands on what is to be sent (R33)."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import structlog

from publisher.domain.delivery_event import DeliveryEvent, EventKind
from publisher.domain.instants import from_milliseconds
from publisher.domain.mail_outcome import MailState
from publisher.domain.rejection import Rejection
from publisher.mail.composing import Composed, Composer, unreadable
from publisher.mail.delivery import Delivery, fields_as_json
from publisher.mail.handing_on import HandingOn, warn_of_held
from publisher.mail.in_hand import InHand
from publisher.mail.leasing import Leasing
from publisher.mail.messages.command import delivery_named
from publisher.mail.outcomes import answered_again
from publisher.mail.recording import Recorder
from publisher.process.spans import NO_SPANS, POSTGRESQL, SpanKind, Spans, received
from publisher.streams.consumer_group import Entry
from publisher.streams.recovery import poison
from storage.accepting.intents import reject
from storage.answers.delivery_events import known_deliveries
from storage.database import Database
from storage.mail.deliveries import (
    BegunMail,
    StandingMail,
    Wanted,
    begin_mail,
    hold_mail,
)
from storage.mail.outcomes import answer_again
from storage.malformed.recording import IncomingMalformed

_log = structlog.get_logger()
# Messages that are made between two looks at the network.
_AT_ONCE = 8


class TakingUp:
    """Takes commands up. Used by the event loop alone.

    stream: of the commands, as it is recorded.
    spans: makes one for each batch of commands.
    """

    def __init__(
        self,
        database: Database,
        stream: str,
        composer: Composer,
        leasing: Leasing,
        in_hand: InHand,
        handing_on: HandingOn,
        recorder: Recorder,
        spans: Spans = NO_SPANS,
    ) -> None:
        self._database = database
        self._spans = spans
        self._stream = stream
        self._composer = composer
        self._leasing = leasing
        self._in_hand = in_hand
        self._handing_on = handing_on
        self._recorder = recorder

    async def take(self, entries: Sequence[Entry]) -> Sequence[str]:
        """Takes up these entries. Returns those that are done with: to be acknowledged now.

        Those in hand are acknowledged once they are recorded. All others stay pending: another process is at work on
        their delivery. May be repeated after any error. Raises DatabaseUnavailable or DatabaseRefused.
        """
        with received(self._spans, self._stream, len(entries)) as span:
            composed, rejected = await self._compose(entries)
            span.link(made.command.context for _, made in composed)
            return await self._take(composed, rejected)

    async def _take(
        self, composed: Sequence[tuple[Entry, Composed]], rejected: Sequence[IncomingMalformed]
    ) -> Sequence[str]:
        failed = await self._reject(rejected) if rejected else []
        taken_up = {entry.id for entry, _ in failed}
        done = [malformed.entry_id for malformed in rejected if malformed.entry_id not in taken_up]
        first: dict[str, tuple[Entry, Composed]] = {}
        for entry, made in [*composed, *failed]:
            delivery_id = made.command.delivery_id
            # A repetition of one in hand, or of an earlier one of the batch, stays pending until that one is over.
            if delivery_id in self._in_hand or first.setdefault(delivery_id, (entry, made))[0] is not entry:
                self._recorder.missed = True
        if first:
            done += await self._begin(first)
        return done

    async def _compose(self, entries: Sequence[Entry]) -> tuple[list[tuple[Entry, Composed]], list[IncomingMalformed]]:
        composed, rejected = [], []
        for number, entry in enumerate(entries, 1):
            made = poison(entry) or self._composer(entry.fields)
            if isinstance(made, Rejection):
                rejected.append(IncomingMalformed(entry.id, entry.fields, made))
            else:
                composed.append((entry, made))
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return composed, rejected

    async def _reject(self, rejected: Sequence[IncomingMalformed]) -> list[tuple[Entry, Composed]]:
        """Records entries that are no command (R19).

        Returns those that name a delivery of ours: it fails, since no message of it will be sent.
        """
        recorded = await asyncio.to_thread(reject, self._database, self._stream, rejected)
        for each in rejected:
            if each.entry_id not in recorded.again:
                _log.warning(
                    "malformed command",
                    stream_entry_id=each.entry_id,
                    failure_code=each.malformed.code.value,
                    failure_message=each.malformed.message,
                )
        named = [(each, id_) for each in rejected if (id_ := delivery_named(each.raw)) is not None]
        known = await asyncio.to_thread(known_deliveries, self._database, [id_ for _, id_ in named])
        return [
            (Entry(each.entry_id, tuple(each.raw), 1), unreadable(id_, each.malformed))
            for each, id_ in named
            if id_ in known
        ]

    async def _begin(self, wanted: Mapping[str, tuple[Entry, Composed]]) -> list[str]:
        refused = await self._handing_on.suppressed([made for _, made in wanted.values()])
        asked_at = self._in_hand.now()
        with self._spans.batch("claim mail", SpanKind.CLIENT, POSTGRESQL):
            begun, standing = await asyncio.to_thread(
                begin_mail,
                self._database,
                [Wanted(delivery_id, entry.id) for delivery_id, (entry, _) in wanted.items()],
                self._leasing.token,
                self._leasing.ttl,
                take_over=self._leasing.takes_over,
            )
        self._recorder.count_unsure(begun.values())
        deliveries = [_delivery(each, *wanted[each.delivery_id]) for each in begun.values()]
        self._in_hand.add([delivery for delivery, _ in deliveries], asked_at)
        self._handing_on(deliveries, refused)
        return await self._settle({id_: (wanted[id_][0], found) for id_, found in standing.items()})

    async def _settle(self, standing: Mapping[str, tuple[Entry, StandingMail]]) -> list[str]:
        """Answers commands whose delivery is not begun by them. Returns the entries that are done with."""
        done: list[str] = []
        again: list[DeliveryEvent] = []
        abandoned: dict[str, Entry] = {}
        now = from_milliseconds(time.time_ns() // 1_000_000)
        for delivery_id, (entry, found) in standing.items():
            if found.state is MailState.BEGUN and found.is_abandoned and not self._leasing.takes_over:
                abandoned[delivery_id] = entry
                continue
            if found.state is MailState.BEGUN:
                # Its lease runs out, or it is over soon. An abandoned one of which a command is kept is found by that.
                self._recorder.missed = True
                continue
            if found.state is MailState.SENT and found.entry_id != entry.id:
                event = answered_again(delivery_id, entry.id, found.event or EventKind.ACCEPTED, now)
                again.append(event)
            done.append(entry.id)
        if again:
            await asyncio.to_thread(answer_again, self._database, again)
        if abandoned:
            commands = {id_: fields_as_json(entry.fields) for id_, entry in abandoned.items()}
            held = await asyncio.to_thread(hold_mail, self._database, commands, self._leasing.ttl)
            warn_of_held(held)
            done += [entry.id for id_, entry in abandoned.items() if id_ in held]
            self._recorder.missed = self._recorder.missed or len(held) < len(abandoned)
        return done


def _delivery(begun: BegunMail, entry: Entry, made: Composed) -> tuple[Delivery, Composed]:
    return Delivery(begun, entry.id, entry.fields, made.command), made
