"""Why an entry of the intents stream was not accepted (R18, R19)."""

from dataclasses import dataclass, field
from enum import StrEnum


class RejectionCode(StrEnum):
    """Why an entry of the intents stream was not accepted (R18, R19)."""

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
    POISON = "poison"
    STORAGE_REFUSED = "storage_refused"


@dataclass(frozen=True, slots=True)
class Rejection:
    """An entry that is no intent, and why. The message names the fields at fault and holds none of their values.

    field: the first field at fault, for whoever knows where it stands; None if it is no single one.
    """

    code: RejectionCode
    message: str
    field: str | None = field(default=None, compare=False)
