"""Says why an entry of the intents stream, or of the stream of delivery events, is not accepted (R18, R19, R32)."""

from dataclasses import dataclass, field
from enum import StrEnum


class RejectionCode(StrEnum):
    """The reasons for a rejection, as the column failure_code of malformed_intents holds them (R18, R19)."""

    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    DUPLICATE_FIELD = "duplicate_field"
    INVALID_FIELD = "invalid_field"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    CONTROL_CHARACTER = "control_character"
    TOO_LARGE = "too_large"
    DUPLICATE_RECIPIENT = "duplicate_recipient"
    UNKNOWN_CHANNEL = "unknown_channel"
    CHANNEL_FAILED = "channel_failed"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    UNKNOWN_DELIVERY = "unknown_delivery"
    EVENT_CONFLICT = "event_conflict"
    POISON = "poison"
    STORAGE_REFUSED = "storage_refused"


@dataclass(frozen=True, slots=True)
class Rejection:
    """The verdict on an entry that is not accepted.

    code: the reason.
    message: one line that names the fields at fault, and none of their values (R36).
    field: the first field at fault; None if no single field is.
    """

    code: RejectionCode
    message: str
    field: str | None = field(default=None, compare=False)
