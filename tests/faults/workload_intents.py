"""The intents of the fixed workload, and the statuses in which each of their routes may end."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tests.factories import intent, intent_fields

# Two channels, a repetition, one that is malformed, an address that can never be published, a recipient that one
# channel cannot reach, one that is late, one whose deadline passes with the first fault. Three entries a batch make it
# several transactions. One is taken back while it waits for its messages, and one before it comes.
GOOD = {"idempotency_key": "good"}
BAD_ADDRESS = {
    "idempotency_key": "bad address",
    "audience_kind": "admin_email",
    "recipients_json": [{"email": "nobody"}],
}
NO_EMAIL = {"idempotency_key": "no email", "recipients_json": [{"user_id": "8"}]}
MALFORMED = {"idempotency_key": "malformed", "colour": "red"}
LATE = {"idempotency_key": "late", "expires_at_ms": "1773480413590"}
IN_TIME = {"idempotency_key": "in time", "expires_at_ms": "4102444800000"}
TAKEN_BACK = {"idempotency_key": "taken back"}
FORESTALLED = {"idempotency_key": "forestalled"}
CANCELLED = (TAKEN_BACK, FORESTALLED)
# Cancellations stand by the key that they cancel.
TAKES_BACK, FORESTALLS = {"cancels": "taken back"}, {"cancels": "forestalled"}
ENTRIES: Sequence[Mapping[str, Any]] = (
    *(GOOD, MALFORMED, GOOD),
    *(BAD_ADDRESS, NO_EMAIL, LATE),
    *(IN_TIME, TAKEN_BACK, FORESTALLS),
    *(TAKES_BACK, FORESTALLED),
)


def entry_of(fields: Mapping[str, Any]) -> Mapping[str, str]:
    """The fields of an entry of the stream: an intent, or a cancellation of the same producer."""
    whole = intent_fields(**fields)
    return {name: whole[name] for name in ("producer", "cancels")} if "cancels" in fields else whole


def routes_of(fields: Mapping[str, Any]) -> list[tuple[str, Collection[str]]]:
    """The delivery ids of an intent, each with the statuses in which it may end."""
    id_ = intent(**fields).notification_id
    if fields is BAD_ADDRESS:
        return [(f"{id_}/email:address:nobody", {"dead_letter"})]
    if fields is NO_EMAIL:
        return [(f"{id_}/email:user:8", {"skipped"}), (f"{id_}/push:user:8", {"published"})]
    if fields in CANCELLED:
        return [(f"{id_}/email:user:7", {"cancelled"}), (f"{id_}/push:user:7", {"cancelled"})]
    ends = {"expired"} if fields is LATE else {"published", "expired"} if fields is IN_TIME else {"published"}
    return [(f"{id_}/email:user:7", ends), (f"{id_}/push:user:7", ends)]
