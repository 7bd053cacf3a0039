"""What a recorded malformed intent holds, for sending and for reading, and what can be done about it (R19)."""

import base64
from collections.abc import Iterator, Mapping

from publisher.domain.intent import Intent, Malformed, MalformedCode

# As in malformed_intents.raw_fields: name -> text, {"base64": …} for bytes that are no text, a list of both for a name
# given several times, {"cut": …, "bytes": …} for the beginning of a value of a huge entry.
RawFields = Mapping[str, object]

_EDIT = "edit it: resubmit opens it in $VISUAL or $EDITOR, or takes --file"
_REMEDIES = {
    MalformedCode.UNKNOWN_CHANNEL: (
        "install the channel and resubmit --unchanged, or edit channels_json: resubmit opens it, or takes --file"
    ),
    MalformedCode.CHANNEL_FAILED: "mend or upgrade the package that brings this channel, then resubmit --unchanged",
    MalformedCode.IDEMPOTENCY_CONFLICT: (
        "resubmitted under the same producer and idempotency_key it would conflict again: if it is another"
        " notification, change idempotency_key as you resubmit; if it is the one that was accepted, leave it"
    ),
    MalformedCode.POISON: "find out why its readers ended: resubmitted --unchanged, it may end them again",
    MalformedCode.STORAGE_REFUSED: "remove what PostgreSQL refuses, then resubmit --unchanged, or edit it",
}


def remedy(failure_code: str) -> str:
    """What an operator can do about an intent that was recorded with this code."""
    return _REMEDIES.get(MalformedCode(failure_code), _EDIT) if failure_code in set(MalformedCode) else _EDIT


def recorded_entry(raw_fields: RawFields) -> list[tuple[bytes, bytes]] | Malformed:
    """The names and values that came off the stream, or that they were not recorded whole.

    A name that is no text stays as it is recorded, `base64:…`: there is no such field either way.
    """
    entry: list[tuple[bytes, bytes]] = []
    for name, recorded in raw_fields.items():
        for value in recorded if isinstance(recorded, list) else [recorded]:
            if isinstance(value, dict) and "cut" in value:
                return Malformed(MalformedCode.TOO_LARGE, "of an entry over 16 MiB only the beginnings are recorded")
            entry.append((name.encode(), _bytes(value)))
    return entry


def standing_conflict(intent: Intent, accepted_fingerprint: str | None) -> Malformed | None:
    """Why intake would refuse this intent although it is valid, or None (R18).

    accepted_fingerprint: of what was accepted under the same producer and idempotency_key; None if nothing was.
    """
    if accepted_fingerprint in (None, intent.fingerprint):
        return None
    return Malformed(
        MalformedCode.IDEMPOTENCY_CONFLICT,
        "this producer and idempotency_key were accepted with other content as notification"
        f" {intent.notification_id}: change idempotency_key",
    )


def readable_fields(raw_fields: RawFields, limit: int | None) -> Iterator[tuple[str, str]]:
    """Names and values as a person reads them, without a character that a terminal would obey.

    Such characters and bytes that are no text are written as escapes, `\\x1b`. limit: at most so many characters
    of a value are shown, then its whole length is said.
    """
    for name, recorded in raw_fields.items():
        values = recorded if isinstance(recorded, list) else [recorded]
        for place, value in enumerate(values, start=1):
            times = f" ({place} of {len(values)})" if len(values) > 1 else ""
            yield _shortened(name, limit) + times, _readable(value, limit)


def text_of(value: object) -> str:
    """A recorded value as text: bytes that are none as escapes."""
    return value if isinstance(value, str) else _bytes(value).decode(errors="backslashreplace")


def _readable(value: object, limit: int | None) -> str:
    if isinstance(value, dict) and "cut" in value:
        return f"{_shortened(text_of(value['cut']), limit)} (cut: {value['bytes']:,} bytes stood on the stream)"
    if isinstance(value, dict):
        return f"{_shortened(text_of(value), limit)} (no text: {len(_bytes(value)):,} bytes)"
    return _shortened(text_of(value), limit)


def _shortened(text: str, limit: int | None) -> str:
    if limit is None or len(text) <= limit:
        return _escaped(text)
    return f"{_escaped(text[:limit])}… ({len(text):,} characters)"


def _escaped(text: str) -> str:
    # Control characters, halves of surrogate pairs, and what turns the direction of writing are all unprintable.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _bytes(value: object) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"])
    return str(value).encode()
