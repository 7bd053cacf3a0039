"""Compares and reads the ids of stream entries: `<milliseconds>-<number>`, both unsigned, of 64 bits."""

from datetime import datetime

from publisher.domain.instants import from_milliseconds, to_milliseconds

FIRST = "0-0"
LARGEST = 2**64 - 1
# The year 9999: beyond it Python has no instants, and a producer may choose its ids.
_LAST_INSTANT = 253_402_300_799_999


def place(entry_id: str) -> tuple[int, int]:
    """Returns the id as a pair of numbers: ids compare as such, not as text."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


def before(entry_id: str) -> str:
    """Returns the greatest id below this one. The least id is returned itself."""
    milliseconds, number = place(entry_id)
    if number:
        return f"{milliseconds}-{number - 1}"
    return f"{milliseconds - 1}-{LARGEST}" if milliseconds else FIRST


def sent_at(entry_id: str) -> datetime:
    """Returns when the entry was added, by Redis' clock. If its producer chose the id, this is what the id claims."""
    return from_milliseconds(min(place(entry_id)[0], _LAST_INSTANT))


def first_at(instant: datetime) -> str:
    """Returns the least id that an entry added at this instant can have."""
    return f"{max(0, to_milliseconds(instant))}-0"
