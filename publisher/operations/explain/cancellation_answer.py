"""Words the answer to a producer's cancellation, for whoever looks at it or at what it cancelled (R28)."""

from publisher.domain.door_ids import source_words
from publisher.domain.entry_ids import sent_at
from publisher.domain.instants import readable
from publisher.operations.explain.explanation import times
from storage.cancelling.cancellation_records import CancellationRecord


def answer_of(record: CancellationRecord) -> str:
    """Returns the answer without a full stop, such as `cancelled 2 routes`."""
    if record.awaits_intent:
        return "waits for its intent, which is cancelled when it comes"
    if record.answered_at is None:
        return "under way: answered once none of the routes is open any more"
    said = []
    if record.cancelled:
        said.append(f"cancelled {times(record.cancelled, 'route')}")
    if record.published:
        said.append(_too_late(record))
    if not said:
        return "nothing was left to cancel"
    return f"partly: {', '.join(said)}" if len(said) > 1 else said[0]


def cancelled_by(record: CancellationRecord) -> str:
    """Says of a notification that its producer asked to cancel it, by which entry and with which answer."""
    when = readable(record.requested_at)
    return f"its producer asked to cancel it {when}, {source_words(record.intent_entry_id)}: {answer_of(record)}"


def _too_late(record: CancellationRecord) -> str:
    said = f"too late for {times(record.published, 'route')}"
    if record.published_at is None:
        return f"{said}: published before"
    # When the command was appended: it is recorded later, after the cancellation perhaps.
    at = readable(sent_at(record.published_as) if record.published_as else record.published_at)
    entry = f" as entry {record.published_as}" if record.published_as else ""
    return f"{said}: {'published' if record.published == 1 else 'the first was published'} {at}{entry}"
