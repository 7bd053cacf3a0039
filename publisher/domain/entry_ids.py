"""Ids of stream entries: `<milliseconds>-<place>`, both unsigned numbers of 64 bits."""

from datetime import datetime

from publisher.domain.instants import from_milliseconds, to_milliseconds

FIRST = "0-0"
_LARGEST = 2**64 - 1
# The year 9999: beyond it Python has no instants, and a producer may choose its ids.
_LAST_INSTANT = 253_402_300_799_999


def place(entry_id: str) -> tuple[int, int]:
    """Where the entry stands: ids compare as pairs of numbers, not as texts."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


def before(entry_id: str) -> str:
    """The greatest id that is less than this one; of the least one, itself."""
    milliseconds, number = place(entry_id)
    if number:
        return f"{milliseconds}-{number - 1}"
    return f"{milliseconds - 1}-{_LARGEST}" if milliseconds else FIRST


def sent_at(entry_id: str) -> datetime:
    """When the entry was added, by Redis' clock. Of an id that its producer chose: whatever that says."""
    return from_milliseconds(min(place(entry_id)[0], _LAST_INSTANT))


def first_at(instant: datetime) -> str:
    """The least id that an entry added at this instant may have."""
    return f"{max(0, to_milliseconds(instant))}-0"
