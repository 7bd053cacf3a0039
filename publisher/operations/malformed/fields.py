"""The recorded fields of a malformed intent: as bytes to send, and as text to read (R19)."""

import base64
from collections.abc import Iterator, Mapping

from publisher.domain.rejection import Rejection, RejectionCode

# As in malformed_intents.raw_fields: name -> text, {"base64": …} for bytes that are no text, a list of both for a name
# given several times, {"cut": …, "bytes": …} for the beginning of a value of a huge entry.
RawFields = Mapping[str, object]


def recorded_entry(raw_fields: RawFields) -> list[tuple[bytes, bytes]] | Rejection:
    """Returns the names and values as they came off the stream; a rejection if only their beginnings are recorded.

    A name that is not UTF-8 stays as it is recorded, `base64:…`: an intent has no such field either way.
    """
    entry: list[tuple[bytes, bytes]] = []
    for name, recorded in raw_fields.items():
        for value in recorded if isinstance(recorded, list) else [recorded]:
            if isinstance(value, dict) and "cut" in value:
                return Rejection(RejectionCode.TOO_LARGE, "of an entry over 16 MiB only the beginnings are recorded")
            entry.append((name.encode(), _bytes(value)))
    return entry


def readable_fields(raw_fields: RawFields, limit: int | None) -> Iterator[tuple[str, str]]:
    """Yields names and values for a person to read, with no character that a terminal would obey.

    Such characters, and bytes that are not UTF-8, become escapes, `\\x1b`.
    limit: characters of a value that are shown before its length is given instead; None: all of them.
    """
    for name, recorded in raw_fields.items():
        values = recorded if isinstance(recorded, list) else [recorded]
        for place, value in enumerate(values, start=1):
            times = f" ({place} of {len(values)})" if len(values) > 1 else ""
            yield _shortened(name, limit) + times, _readable(value, limit)


def text_of(value: object) -> str:
    """Returns a recorded value as text; bytes that are not UTF-8 become escapes."""
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
