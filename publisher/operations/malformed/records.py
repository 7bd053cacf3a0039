"""Lists and shows malformed intents, each with its remedy (R19). `resubmit` sends them again."""

from enum import StrEnum

from publisher.domain.rejection import RejectionCode
from storage.malformed.reading import MalformedFacts, MalformedFilter, MalformedRecord, find_malformed, list_malformed

__all__ = [
    "MalformedFacts",
    "MalformedFilter",
    "MalformedRecord",
    "MalformedRemedy",
    "find_malformed",
    "list_malformed",
    "remedy_of",
]


class MalformedRemedy(StrEnum):
    """What an operator can do about a malformed intent.

    EDIT: edit its fields, and resubmit it.
    INSTALL_CHANNEL: install the channel that it names and resubmit it unchanged, or edit its channels.
    MEND_CHANNEL: mend or upgrade the package that brings its channel, then resubmit it unchanged.
    CHANGE_KEY: give it an idempotency key of its own if it is another notification; else leave it.
    CHANGE_EVENT_ID: give it an event id of its own, or correct its delivery id.
    CORRECT_DELIVERY: correct its delivery id; else leave it: its notification was pruned, or is another system's.
    FIND_CAUSE: find out why its readers ended, before it is resubmitted unchanged.
    MAKE_STORABLE: remove what PostgreSQL refuses and resubmit it unchanged, or edit it.
    """

    EDIT = "edit"
    INSTALL_CHANNEL = "install_channel"
    MEND_CHANNEL = "mend_channel"
    CHANGE_KEY = "change_key"
    CHANGE_EVENT_ID = "change_event_id"
    CORRECT_DELIVERY = "correct_delivery"
    FIND_CAUSE = "find_cause"
    MAKE_STORABLE = "make_storable"


_REMEDIES: dict[str, MalformedRemedy] = {
    RejectionCode.UNKNOWN_CHANNEL: MalformedRemedy.INSTALL_CHANNEL,
    RejectionCode.CHANNEL_FAILED: MalformedRemedy.MEND_CHANNEL,
    RejectionCode.IDEMPOTENCY_CONFLICT: MalformedRemedy.CHANGE_KEY,
    RejectionCode.UNKNOWN_DELIVERY: MalformedRemedy.CORRECT_DELIVERY,
    RejectionCode.EVENT_CONFLICT: MalformedRemedy.CHANGE_EVENT_ID,
    RejectionCode.POISON: MalformedRemedy.FIND_CAUSE,
    RejectionCode.STORAGE_REFUSED: MalformedRemedy.MAKE_STORABLE,
}


def remedy_of(failure_code: str) -> MalformedRemedy:
    """What an operator can do about an intent recorded with this code; EDIT for a code that this release lacks."""
    return _REMEDIES.get(failure_code, MalformedRemedy.EDIT)
