"""What a recorded malformed intent holds, for sending and for reading, and what can be done about it (R19)."""

import base64
from collections.abc import Iterator, Mapping

from publisher.domain.rejection import Rejection, RejectionCode

# As in malformed_intents.raw_fields: name -> text, {"base64": …} for bytes that are no text, a list of both for a name
# given several times, {"cut": …, "bytes": …} for the beginning of a value of a huge entry.
RawFields = Mapping[str, object]


def recorded_entry(raw_fields: RawFields) -> list[tuple[bytes, bytes]] | Rejection:
    """The names and values that came off the stream, or that they were not recorded whole.

    A name that is no text stays as it is recorded, `base64:…`: there is no such field either way.
    """
    entry: list[tuple[bytes, bytes]] = []
    for name, recorded in raw_fields.items():
        for value in recorded if isinstance(recorded, list) else [recorded]:
            if isinstance(value, dict) and "cut" in value:
                return Rejection(RejectionCode.TOO_LARGE, "of an entry over 16 MiB only the beginnings are recorded")
            entry.append((name.encode(), _bytes(value)))
    return entry


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
