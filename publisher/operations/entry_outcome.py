"""What became, or will become, of an entry of the intents stream: in words, for an operator with its id (R18-R20)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from publisher.domain.instants import readable
from publisher.domain.intent import Intent
from publisher.domain.rejection import Rejection
from publisher.operations.wording import span
from publisher.streams.inbound import Standing
from storage.traces import RecordedMalformed


@dataclass(frozen=True, slots=True)
class Known:
    """What was accepted under the entry's producer and idempotency key.

    entry_id: of what it was accepted from, None where that was not kept. pruned_at: since when nothing but its
    fingerprint is left, None of one that is there.
    """

    fingerprint: str
    entry_id: str | None
    pruned_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """All that is known of an entry. accepted_as: the notifications that came of it. standing and content: None if it
    does not stand on the stream any more."""

    entry_id: str
    accepted_as: tuple[str, ...] = ()
    malformed: RecordedMalformed | None = None
    standing: Standing | None = None
    content: Intent | Rejection | None = None
    known: Known | None = None


class Fate(StrEnum):
    """What an entry came to."""

    ACCEPTED = "accepted"
    MALFORMED = "malformed"
    WAITING = "waiting"
    PENDING = "pending"
    REPETITION = "repetition"
    CONFLICT = "conflict"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class EntryVerdict:
    """What an entry came to, in sentences. notification_id: of what it made, repeats or would make, if anything."""

    fate: Fate
    sentences: tuple[str, ...]
    notification_id: str | None = None


def verdict_on(entry: EntryFacts) -> EntryVerdict | None:
    """What became of the entry, or will; None if nothing knows it."""
    if entry.accepted_as:
        said = [f"Accepted as notification {id_}." for id_ in entry.accepted_as]
        return EntryVerdict(Fate.ACCEPTED, (*said, *_held(entry)), entry.accepted_as[0])
    if entry.malformed is not None:
        return EntryVerdict(Fate.MALFORMED, (*_malformed(entry.malformed), *_held(entry)))
    if entry.standing is None or entry.content is None:
        return None
    if not entry.standing.is_acknowledged:
        return _to_come(entry, entry.standing, entry.content)
    return _done(entry.content, entry.known)


def _malformed(recorded: RecordedMalformed) -> list[str]:
    said = [f"Malformed, {readable(recorded.recorded_at)}: {recorded.code}: {recorded.message}."]
    if recorded.resubmitted_as is not None:
        said.append(
            f"{recorded.resubmitted_by} sent it again, as entry {recorded.resubmitted_as}:"
            f" publisher trace {recorded.resubmitted_as}"
        )
    else:
        said.append(f"Nothing came of it. Its fields, and what to do: publisher malformed show {recorded.id}")
    return said


def _held(entry: EntryFacts) -> list[str]:
    """Recorded and not acknowledged: the moment between the two, or a consumer that died in it (R20)."""
    if entry.standing is None or entry.standing.consumer is None:
        return []
    return [f"{_holding(entry.standing)}; whoever reads it again finds it done, and acknowledges it."]


def _holding(standing: Standing) -> str:
    times = "once" if standing.deliveries == 1 else f"{standing.deliveries} times"
    return (
        f"It is pending with intake consumer {standing.consumer}, which got it {span(standing.idle)} ago"
        f" and has not acknowledged it; given out {times}"
    )


def _to_come(entry: EntryFacts, standing: Standing, content: Intent | Rejection) -> EntryVerdict:
    if standing.consumer is None:
        fate, where = Fate.WAITING, "It waits on the stream: no intake has read it yet."
    else:
        fate, where = Fate.PENDING, f"{_holding(standing)}."
    if isinstance(content, Rejection):
        return EntryVerdict(fate, (where, f"It will be malformed: {content.code}: {content.message}."))
    id_ = content.notification_id
    if entry.known is None:
        outlook = f"Once accepted it is notification {id_}."
    elif entry.known.fingerprint == content.fingerprint:
        outlook = f"It will change nothing: it repeats notification {id_}{_source(entry.known)}."
    else:
        outlook = f"It will be malformed, as idempotency_conflict: {_conflict(id_)}."
    return EntryVerdict(fate, (where, outlook), id_)


def _done(content: Intent | Rejection, known: Known | None) -> EntryVerdict:
    if isinstance(content, Rejection):
        said = f"Acknowledged, and malformed: {content.code}: {content.message}. Its record is gone."
        return EntryVerdict(Fate.MALFORMED, (said,))
    id_ = content.notification_id
    if known is None:
        why = "pruned with its key, or the database was emptied or restored since"
        said = f"Acknowledged, and nothing is kept of it: {why}."
        return EntryVerdict(Fate.FORGOTTEN, (said, f"Sent again it would be notification {id_}."), id_)
    if known.fingerprint != content.fingerprint:
        said = f"Malformed, as idempotency_conflict: {_conflict(id_)}. Its record is gone."
        return EntryVerdict(Fate.CONFLICT, (said,), id_)
    if known.entry_id is None:
        said = f"It is the intent of notification {id_}, or repeats it: which entry came first was not kept."
        return EntryVerdict(Fate.REPETITION, (said, *_pruned(known)), id_)
    said = f"It changed nothing: it repeats notification {id_}{_source(known)}."
    return EntryVerdict(Fate.REPETITION, (said, *_pruned(known)), id_)


def _source(known: Known) -> str:
    return f", accepted from entry {known.entry_id}" if known.entry_id else ""


def _pruned(known: Known) -> list[str]:
    return [] if known.pruned_at is None else [f"That was pruned {readable(known.pruned_at)}; only its key is left."]


def _conflict(notification_id: str) -> str:
    return f"its producer and idempotency key belong to notification {notification_id}, which has other content"
