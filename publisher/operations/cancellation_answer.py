"""Words the answer to a producer's cancellation, for whoever looks at it or at what it cancelled (R28)."""

from publisher.domain.instants import readable
from publisher.operations.explanation import times
from storage.cancellation_records import CancellationRecord


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
    """Says of a notification that its producer cancelled it, by which entry and with which answer."""
    when = readable(record.requested_at)
    return f"cancelled by its producer {when}, entry {record.intent_entry_id}: {answer_of(record)}"


def _too_late(record: CancellationRecord) -> str:
    if record.published == 1 and record.published_at is not None:
        entry = f" as entry {record.published_as}" if record.published_as else ""
        return f"too late for 1 route: published {readable(record.published_at)}{entry}"
    return f"too late for {times(record.published, 'route')}: published before"
