"""Explains the outcome of an entry of the intents stream, or the outcome to expect, given the entry's id (R18-R20)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from publisher.domain.cancellation import Cancellation
from publisher.domain.conflict import idempotency_conflict
from publisher.domain.door_ids import source_words
from publisher.domain.instants import readable
from publisher.domain.intent import Intent
from publisher.domain.rejection import Rejection
from publisher.operations.explain.cancellation_answer import answer_of
from publisher.operations.remedy.remedy import Advice, Remedy, Sentence
from publisher.operations.trace.command_outcome import before
from publisher.operations.wording import span
from publisher.streams.standing import Standing
from storage.cancelling.cancellation_records import CancellationRecord
from storage.notifications import RecordedMalformed


@dataclass(frozen=True, slots=True)
class EarlierAcceptance:
    """The notification that was accepted under the entry's producer and idempotency key.

    fingerprint: of the content that was accepted.
    entry_id: the entry that it was accepted from, or None if that was not kept.
    pruned_at: since when only its key is left, or None if it was not pruned.
    """

    fingerprint: str
    entry_id: str | None
    pruned_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """Everything that is known about an entry.

    accepted_as: the ids of the notifications that were accepted from it.
    malformed: its record in malformed_intents, or None.
    standing, content: None if the entry is no longer on the stream.
    earlier: what was accepted under its key, or None.
    cancellation: the one on record that it asked for or repeats, or None.
    """

    entry_id: str
    accepted_as: tuple[str, ...] = ()
    malformed: RecordedMalformed | None = None
    standing: Standing | None = None
    content: Intent | Cancellation | Rejection | None = None
    earlier: EarlierAcceptance | None = None
    cancellation: CancellationRecord | None = None


class EntryState(StrEnum):
    """The outcome of an entry, or where the entry waits."""

    ACCEPTED = "accepted"
    MALFORMED = "malformed"
    WAITING = "waiting"
    PENDING = "pending"
    REPETITION = "repetition"
    CONFLICT = "conflict"
    FORGOTTEN = "forgotten"
    CANCELLATION = "cancellation"


@dataclass(frozen=True, slots=True)
class EntryOutcome:
    """The outcome of an entry.

    notification_id: of the notification that the entry made, repeats or would make; None: there is none.
    """

    state: EntryState
    sentences: tuple[Sentence, ...]
    notification_id: str | None = None


def outcome_of(entry: EntryFacts) -> EntryOutcome | None:
    """Returns the outcome of the entry, or the one to expect; None if it is neither on the stream nor on record."""
    if entry.accepted_as:
        said = [f"Accepted as notification {id_}." for id_ in entry.accepted_as]
        return EntryOutcome(EntryState.ACCEPTED, (*said, *_held(entry)), entry.accepted_as[0])
    if entry.malformed is not None:
        return EntryOutcome(EntryState.MALFORMED, (*_malformed(entry.malformed), *_held(entry)))
    if entry.cancellation is not None and entry.cancellation.intent_entry_id == entry.entry_id:
        return _cancelled(entry, entry.cancellation)
    if entry.standing is None or entry.content is None:
        return None
    if isinstance(entry.content, Cancellation):
        return _cancellation(entry, entry.standing, entry.content)
    if not entry.standing.is_acknowledged:
        return _to_come(entry, entry.standing, entry.content)
    return _done(entry.content, entry.earlier)


def of_several(outcomes: Mapping[str, EntryOutcome]) -> EntryOutcome | None:
    """Returns the outcome of the entries of one id, by the partition that has each: what became of every one.

    The state and the notification are those of the first that is not done, or else of the first. None: there is none.
    """
    if not outcomes:
        return None
    waits = (EntryState.WAITING, EntryState.PENDING, EntryState.MALFORMED)
    first = next((outcome for outcome in outcomes.values() if outcome.state in waits), next(iter(outcomes.values())))
    if len(outcomes) == 1:
        return first
    said = [sentence for stream, each in outcomes.items() for sentence in (f"On {stream}:", *each.sentences)]
    return EntryOutcome(first.state, tuple(said), first.notification_id)


def _cancelled(entry: EntryFacts, record: CancellationRecord) -> EntryOutcome:
    said = f"Cancels notification {record.notification_id}, of {record.producer}, key {record.idempotency_key}"
    return EntryOutcome(
        EntryState.CANCELLATION, (f"{said}: {answer_of(record)}.", *_held(entry)), record.notification_id
    )


def _cancellation(entry: EntryFacts, standing: Standing, content: Cancellation) -> EntryOutcome:
    """Of a cancellation that is not on record, or repeats one that is."""
    id_, earlier = content.notification_id, entry.cancellation
    repeats = f"it repeats {source_words(earlier.intent_entry_id)}, {answer_of(earlier)}" if earlier else ""
    if standing.is_acknowledged and earlier is None:
        return EntryOutcome(EntryState.FORGOTTEN, ("Acknowledged, and nothing is kept of this cancellation.",), id_)
    if standing.is_acknowledged:
        return EntryOutcome(EntryState.REPETITION, (f"It changed nothing: {repeats}.",), id_)
    state = EntryState.WAITING if standing.consumer is None else EntryState.PENDING
    outlook = f"It will change nothing: {repeats}." if earlier else f"It will cancel notification {id_}."
    return EntryOutcome(state, (_waiting(standing), outlook), id_)


def _waiting(standing: Standing) -> str:
    if standing.consumer is None:
        return f"It waits on the stream: no intake has read it yet{before(standing)}."
    return f"{_holding(standing)}."


def _malformed(recorded: RecordedMalformed) -> list[Sentence]:
    said: list[Sentence] = [f"Malformed, {readable(recorded.recorded_at)}: {recorded.code}: {recorded.message}."]
    if recorded.resubmitted_as is not None:
        again = f"{recorded.resubmitted_by} sent it again, as entry {recorded.resubmitted_as}"
        said.append(Advice(again, Remedy.LOOK_UP, recorded.resubmitted_as))
    else:
        show = "Nothing came of it. Its fields, and what to do"
        said.append(Advice(show, Remedy.SHOW_MALFORMED, str(recorded.id)))
    return said


def _held(entry: EntryFacts) -> list[str]:
    """Names the consumer of an entry that is recorded and not acknowledged: at work, or dead between the two (R20)."""
    if entry.standing is None or entry.standing.consumer is None:
        return []
    return [f"{_holding(entry.standing)}; whoever reads it again finds it done, and acknowledges it."]


def _holding(standing: Standing) -> str:
    times = "once" if standing.deliveries == 1 else f"{standing.deliveries} times"
    return (
        f"It is pending with intake consumer {standing.consumer}, which got it {span(standing.idle)} ago"
        f" and has not acknowledged it; given out {times}"
    )


def _to_come(entry: EntryFacts, standing: Standing, content: Intent | Rejection) -> EntryOutcome:
    state, where = (EntryState.WAITING if standing.consumer is None else EntryState.PENDING), _waiting(standing)
    if isinstance(content, Rejection):
        return EntryOutcome(state, (where, f"It will be malformed: {content.code}: {content.message}."))
    id_ = content.notification_id
    if entry.earlier is None:
        outlook = f"Once accepted it is notification {id_}."
    elif idempotency_conflict(content, entry.earlier.fingerprint) is None:
        outlook = f"It will change nothing: it repeats notification {id_}{_source(entry.earlier)}."
    else:
        outlook = f"It will be malformed, as idempotency_conflict: {_conflict(id_)}."
    return EntryOutcome(state, (where, outlook), id_)


def _done(content: Intent | Rejection, earlier: EarlierAcceptance | None) -> EntryOutcome:
    if isinstance(content, Rejection):
        said = f"Acknowledged, and malformed: {content.code}: {content.message}. Its record is gone."
        return EntryOutcome(EntryState.MALFORMED, (said,))
    id_ = content.notification_id
    if earlier is None:
        why = "pruned with its key, or the database was emptied or restored since"
        said = f"Acknowledged, and nothing is kept of it: {why}."
        return EntryOutcome(EntryState.FORGOTTEN, (said, f"Sent again it would be notification {id_}."), id_)
    if idempotency_conflict(content, earlier.fingerprint) is not None:
        said = f"Malformed, as idempotency_conflict: {_conflict(id_)}. Its record is gone."
        return EntryOutcome(EntryState.CONFLICT, (said,), id_)
    if earlier.entry_id is None:
        said = f"It is the intent of notification {id_}, or repeats it: which entry came first was not kept."
        return EntryOutcome(EntryState.REPETITION, (said, *_pruned(earlier)), id_)
    said = f"It changed nothing: it repeats notification {id_}{_source(earlier)}."
    return EntryOutcome(EntryState.REPETITION, (said, *_pruned(earlier)), id_)


def _source(earlier: EarlierAcceptance) -> str:
    return f", accepted from {source_words(earlier.entry_id)}" if earlier.entry_id else ""


def _pruned(earlier: EarlierAcceptance) -> list[str]:
    return (
        [] if earlier.pruned_at is None else [f"That was pruned {readable(earlier.pruned_at)}; only its key is left."]
    )


def _conflict(notification_id: str) -> str:
    return f"its producer and idempotency key belong to notification {notification_id}, which has other content"
