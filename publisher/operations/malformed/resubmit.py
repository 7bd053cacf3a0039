"""Resubmits malformed intents and delivery events: each is validated, added to its stream, then marked.

No transaction spans the two servers. A crash before the mark leaves an intent that is sent and still waits. Resubmitted
once more, it is accepted once per producer and idempotency_key (R18), and an event once per source and event_id (R32).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from publisher.domain.cancellation import Cancellation
from publisher.domain.conflict import event_conflict, standing_conflict
from publisher.domain.delivery_event import DeliveryEvent
from publisher.domain.delivery_event_fields import parse_event
from publisher.domain.errors import BadRequest, PublisherError
from publisher.domain.intent import Intent
from publisher.domain.intent_parsing import parse_entry
from publisher.domain.rejection import Rejection
from publisher.domain.stream_address import StreamAddress
from publisher.operations.changes.audited import audited
from publisher.operations.malformed.edit import edited_fields
from publisher.operations.malformed.fields import recorded_entry
from publisher.settings.settings import Settings
from publisher.streams.producer import add_events, add_intents
from publisher.streams.servers.stream_servers import StreamServers
from storage.accepting.fingerprints import accepted_fingerprints
from storage.answers.delivery_events import known_deliveries
from storage.answers.event_deliveries import EventKey, deliveries_on_record
from storage.answers.event_entries import NO_SUCH_DELIVERY
from storage.database import Database
from storage.malformed.reading import MalformedRecord, Sent, find_malformed, mark_resubmitted

# The name of the kind in the audit, of one and of many.
ACTION = "resubmit-malformed"
_HARMLESS = "resubmitting again is harmless, each is accepted once"


@dataclass(frozen=True, slots=True)
class Sendable:
    """A malformed entry that would be accepted now.

    record: as it is on record.
    fields: to be sent, as recorded or as edited.
    content: the intent, the cancellation or the delivery event that they make.
    """

    record: MalformedRecord
    fields: Mapping[str, str]
    content: Intent | Cancellation | DeliveryEvent


class Resubmission:
    """Resubmits malformed intents, and malformed delivery events.

    intents: the intents stream to send to, or its partitions.
    events: the stream of delivery events. An entry that came by it is an event, and goes there again.
    channels: the names of those configured.
    """

    def __init__(
        self,
        database: Database,
        servers: StreamServers,
        intents: StreamAddress,
        events: str,
        channels: Collection[str],
    ) -> None:
        self._database = database
        self._servers = servers
        self._intents = intents
        self._events = events
        self._channels = channels

    def judge(self, record: MalformedRecord, entry: Sequence[tuple[bytes, bytes]]) -> Sendable | Rejection:
        """Judges whether these fields would be accepted now in the place of the recorded ones."""
        [(_, verdict)] = self._judged([(record, self._parsed(record, entry))])
        return verdict

    def judge_unchanged(self, record: MalformedRecord) -> Sendable | Rejection:
        """Judges whether the intent would be accepted now as it was recorded."""
        [(_, verdict)] = self._judged([(record, self._parsed_unchanged(record))])
        return verdict

    def judge_edited(self, record: MalformedRecord, text: str) -> Sendable | Rejection:
        """Judges whether the intent would be accepted now as this form says. Raises BadRequest if it is no form."""
        fields = edited_fields(text, record.raw_fields)
        if isinstance(fields, str):
            raise BadRequest(f"malformed intent {record.facts.id} cannot be sent as edited: {fields}")
        return self.judge(record, [(name.encode(), value.encode()) for name, value in fields.items()])

    def send(self, sendable: Sendable, by: str, manner: str) -> str:
        """Sends one, marks it, and records the operator. Returns the new entry's id.

        manner: where its fields come from, kept in the audit: `unchanged`, or the kind of edit.
        Raises BadRequest if someone else resubmitted it since it was read. If that was before it was sent, nothing is
        sent; if after, both were sent, and the text says so. Unavailable after it was sent: the text names the entry.
        """
        facts = sendable.record.facts
        now = find_malformed(self._database, facts.id).facts
        if now.resubmitted_as != facts.resubmitted_as:
            raise BadRequest(
                f"malformed intent {facts.id} was resubmitted meanwhile by {now.resubmitted_by} as {now.resubmitted_as}"
            )
        target = {"id": facts.id, "stream_entry_id": facts.stream_entry_id, "manner": manner}
        with audited(self._database, ACTION, by, target, must_end=False) as action:
            [sent] = self._send([sendable])
            if not self._mark([sent], by, action.id):
                raise BadRequest(
                    f"malformed intent {facts.id} was sent as {sent.entry_id} while someone else resubmitted or pruned"
                    " it. If both sent the same content, one is accepted; if not, the first wins and the other becomes"
                    " an idempotency conflict"
                )
        return sent.entry_id

    def judge_all_unchanged(self, records: Sequence[MalformedRecord]) -> Sequence[Sendable | Rejection]:
        """Judges for each of these intents whether it would be accepted now as it was recorded, in their order."""
        return [
            verdict for _, verdict in self._judged([(record, self._parsed_unchanged(record)) for record in records])
        ]

    def send_all(self, ready: Sequence[Sendable], by: str, action_id: int) -> int:
        """Sends these, marks them, and counts them in the action. Returns how many were marked.

        The others were resubmitted by someone else, or pruned, while they were sent.
        """
        return len(self._mark(self._send(ready), by, action_id)) if ready else 0

    def _parsed_unchanged(self, record: MalformedRecord) -> Sendable | Rejection:
        entry = recorded_entry(record.raw_fields)
        return entry if isinstance(entry, Rejection) else self._parsed(record, entry)

    def _parsed(self, record: MalformedRecord, entry: Sequence[tuple[bytes, bytes]]) -> Sendable | Rejection:
        is_event = record.facts.stream == self._events
        content = parse_event(entry) if is_event else parse_entry(entry, self._channels)
        if isinstance(content, Rejection):
            return content
        return Sendable(record, {name.decode(): value.decode() for name, value in entry}, content)

    def _judged(
        self, parsed: Sequence[tuple[MalformedRecord, Sendable | Rejection]]
    ) -> list[tuple[MalformedRecord, Sendable | Rejection]]:
        contents = [verdict.content for _, verdict in parsed if isinstance(verdict, Sendable)]
        intents = [content for content in contents if isinstance(content, Intent)]
        events = [content for content in contents if isinstance(content, DeliveryEvent)]
        known = accepted_fingerprints(self._database, [intent.notification_id for intent in intents])
        deliveries = known_deliveries(self._database, [event.delivery_id for event in events])
        on_record = deliveries_on_record(self._database, events) if events else {}
        return [(record, _against(verdict, known, deliveries, on_record)) for record, verdict in parsed]

    def _send(self, ready: Sequence[Sendable]) -> list[Sent]:
        events = [sendable for sendable in ready if isinstance(sendable.content, DeliveryEvent)]
        intents = [sendable for sendable in ready if not isinstance(sendable.content, DeliveryEvent)]
        try:
            entry_ids = add_intents(self._servers, self._intents, [sendable.fields for sendable in intents])
            entry_ids += add_events(self._servers, self._events, [sendable.fields for sendable in events])
        except PublisherError as error:
            raise type(error)(f"{error}; what was sent is not marked: {_HARMLESS}") from error
        facts = [sendable.record.facts for sendable in (*intents, *events)]
        return [Sent(f.id, entry_id, f.resubmitted_as) for f, entry_id in zip(facts, entry_ids, strict=True)]

    def _mark(self, sent: Sequence[Sent], by: str, action_id: int) -> set[int]:
        try:
            return mark_resubmitted(self._database, sent, by, action_id)
        except PublisherError as error:
            which = f"{sent[0].id} was" if len(sent) == 1 else f"{sent[0].id} to {sent[-1].id} were"
            raise type(error)(
                f"{error}; malformed intent {which} sent as {sent[-1].entry_id} and not marked: {_HARMLESS}"
            ) from error


def resubmission(settings: Settings, servers: StreamServers) -> Callable[[Database], Resubmission]:
    """Returns what makes the Resubmission of these settings on a database."""

    def on(database: Database) -> Resubmission:
        return Resubmission(database, servers, settings.intents, settings.events_stream, settings.channels)

    return on


def _against(
    verdict: Sendable | Rejection,
    known: Mapping[str, str],
    deliveries: Collection[str],
    on_record: Mapping[EventKey, str],
) -> Sendable | Rejection:
    """Judges what is valid by itself against what PostgreSQL has.

    known: notification id -> fingerprint of accepted intents.
    deliveries: the delivery ids that there are.
    on_record: the delivery with which each event is on record.
    """
    if isinstance(verdict, Rejection):
        return verdict
    match verdict.content:
        case Intent() as intent:
            return standing_conflict(intent, known.get(intent.notification_id)) or verdict
        case DeliveryEvent() as event if event.delivery_id not in deliveries:
            return NO_SUCH_DELIVERY
        case DeliveryEvent() as event:
            return event_conflict(event, on_record.get((event.source, event.event_id))) or verdict
    return verdict
