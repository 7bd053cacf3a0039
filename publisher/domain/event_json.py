"""Reads a delivery event that was written as a JSON object: its keys are the fields of the stream of events (R32)."""

from collections.abc import Sequence

from publisher.domain.delivery_event import DeliveryEvent
from publisher.domain.delivery_event_fields import parse_event
from publisher.domain.json_text import Member
from publisher.domain.rejection import Rejection
from publisher.domain.written_fields import BadMember, as_written, written_fields

_JSON_FIELDS = frozenset({"detail"})


def event_of_members(written: Sequence[Member]) -> DeliveryEvent | Rejection:
    """Returns the event that these members of a JSON object make, or the reason why they make none. Raises nothing."""
    found = written_fields(written, _JSON_FIELDS)
    if isinstance(found, BadMember):
        return found.rejection
    event = parse_event([(name.encode(), value.encode()) for name, value in found.fields.items()])
    return as_written(event, written, _JSON_FIELDS) if isinstance(event, Rejection) else event
