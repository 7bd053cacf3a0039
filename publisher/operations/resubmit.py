"""Sending malformed intents again: validated, added to the intents stream, then marked.

In that order, with no transaction across. A crash between the last two leaves an entry that is sent and not marked:
sent a second time, intake accepts it once per producer and idempotency_key (R18).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import redis

from publisher.domain.conflict import standing_conflict
from publisher.domain.errors import BadRequest, PublisherError
from publisher.domain.intent import Intent, parse_intent
from publisher.domain.rejection import Rejection
from publisher.operations.audited import audited
from publisher.operations.malformed_fields import recorded_entry
from publisher.streams.producer import add_intents
from storage.database import Database
from storage.malformed import (
    MalformedFilter,
    MalformedRecord,
    Sent,
    accepted_fingerprints,
    find_malformed,
    malformed_pages,
    mark_resubmitted,
)

ACTION = "resubmit-malformed"
_HARMLESS = "resubmitting again is harmless, an intent is accepted once"


@dataclass(frozen=True, slots=True)
class Sendable:
    """Fields that make a valid intent, and the malformed one they come from."""

    record: MalformedRecord
    fields: Mapping[str, str]
    intent: Intent


@dataclass(slots=True)
class Tally:
    """How many were sent, or could be; why the others cannot, by code; how many someone else resubmitted meanwhile."""

    sent: int = 0
    left: Counter[str] = field(default_factory=Counter)
    taken: int = 0


class Resubmission:
    """What it takes to send malformed intents again. stream: the intents stream. channels: the configured ones."""

    def __init__(self, database: Database, client: redis.Redis, stream: str, channels: Collection[str]) -> None:
        self._database = database
        self._client = client
        self._stream = stream
        self._channels = channels

    def judge(self, record: MalformedRecord, entry: Sequence[tuple[bytes, bytes]]) -> Sendable | Rejection:
        """Whether these fields would be accepted now in the place of the malformed ones."""
        [(_, verdict)] = self._judged([(record, _parsed(record, entry, self._channels))])
        return verdict

    def judge_unchanged(self, record: MalformedRecord) -> Sendable | Rejection:
        """Whether it would be accepted now as it was recorded."""
        [(_, verdict)] = self._judged([(record, self._parsed_unchanged(record))])
        return verdict

    def send(self, sendable: Sendable, by: str, target: Mapping[str, object]) -> str:
        """Sends one, marks it, and keeps who asked. Returns the new entry's id.

        Raises BadRequest if it was resubmitted since it was read: then nothing was sent, or the same was sent twice,
        which the text says. Unavailable after it was sent says as what: sending it again is harmless.
        """
        facts = sendable.record.facts
        [latest] = find_malformed(self._database, facts.id)
        now = latest.facts
        if now.resubmitted_as != facts.resubmitted_as:
            raise BadRequest(
                f"malformed intent {facts.id} was resubmitted meanwhile by {now.resubmitted_by} as {now.resubmitted_as}"
            )
        with audited(self._database, ACTION, by, target) as action:
            [sent] = self._send([sendable])
            if not self._mark([sent], by, action.id):
                raise BadRequest(
                    f"malformed intent {facts.id} was sent as {sent.entry_id} while someone else resubmitted or pruned"
                    " it: of two entries with one content one is accepted, of two contents under one key the first"
                )
        return sent.entry_id

    def survey(self, matching: MalformedFilter, on_page: Callable[[int], None]) -> Tally:
        """How many that match could be sent unchanged. Sends nothing. on_page: told how many were looked at."""
        tally = Tally()
        for page in self._pages(matching, tally):
            on_page(len(page))
        return tally

    def send_matching(
        self,
        matching: MalformedFilter,
        matched: int,
        by: str,
        target: Mapping[str, object],
        on_page: Callable[[int], None],
    ) -> Tally:
        """Sends all that match unchanged, oldest first, those that would be accepted; the others stay as they are.

        Interrupted, it has done whole pages; begun again, it does the rest.
        """
        tally = Tally()
        with audited(self._database, ACTION, by, target, matched) as action:
            for page in self._pages(matching, tally):
                ready = [verdict for _, verdict in page if isinstance(verdict, Sendable)]
                if ready:
                    marked = self._mark(self._send(ready), by, action.id)
                    tally.taken += len(ready) - len(marked)
                on_page(len(page))
        return tally

    def _pages(
        self, matching: MalformedFilter, tally: Tally
    ) -> Iterator[list[tuple[MalformedRecord, Sendable | Rejection]]]:
        for records in malformed_pages(self._database, matching):
            page = self._judged([(record, self._parsed_unchanged(record)) for record in records])
            tally.left.update(verdict.code.value for _, verdict in page if isinstance(verdict, Rejection))
            tally.sent += sum(isinstance(verdict, Sendable) for _, verdict in page)
            yield page

    def _parsed_unchanged(self, record: MalformedRecord) -> Sendable | Rejection:
        entry = recorded_entry(record.raw_fields)
        return entry if isinstance(entry, Rejection) else _parsed(record, entry, self._channels)

    def _judged(
        self, parsed: Sequence[tuple[MalformedRecord, Sendable | Rejection]]
    ) -> list[tuple[MalformedRecord, Sendable | Rejection]]:
        ids = [verdict.intent.notification_id for _, verdict in parsed if isinstance(verdict, Sendable)]
        known = accepted_fingerprints(self._database, ids) if ids else {}
        return [(record, _against(verdict, known)) for record, verdict in parsed]

    def _send(self, ready: Sequence[Sendable]) -> list[Sent]:
        try:
            entry_ids = add_intents(self._client, self._stream, [sendable.fields for sendable in ready])
        except PublisherError as error:
            raise type(error)(f"{error}; what was sent is not marked: {_HARMLESS}") from error
        facts = [sendable.record.facts for sendable in ready]
        return [Sent(f.id, entry_id, f.resubmitted_as) for f, entry_id in zip(facts, entry_ids, strict=True)]

    def _mark(self, sent: Sequence[Sent], by: str, action_id: int) -> set[int]:
        try:
            return mark_resubmitted(self._database, sent, by, action_id)
        except PublisherError as error:
            which = f"{sent[0].id} was" if len(sent) == 1 else f"{sent[0].id} to {sent[-1].id} were"
            raise type(error)(
                f"{error}; malformed intent {which} sent as {sent[-1].entry_id} and not marked: {_HARMLESS}"
            ) from error


def _parsed(
    record: MalformedRecord, entry: Sequence[tuple[bytes, bytes]], channels: Collection[str]
) -> Sendable | Rejection:
    intent = parse_intent(entry, channels)
    if isinstance(intent, Rejection):
        return intent
    return Sendable(record, {name.decode(): value.decode() for name, value in entry}, intent)


def _against(verdict: Sendable | Rejection, known: Mapping[str, str]) -> Sendable | Rejection:
    if isinstance(verdict, Rejection):
        return verdict
    return standing_conflict(verdict.intent, known.get(verdict.intent.notification_id)) or verdict
