"""Takes a report's MIME structure apart, as far as its texts are needed. Built for hostile input: it raises nothing.

The message that a report returns is read as text, and is never taken apart itself. So what stands in it, and how deep
that is nested, costs nothing and is mistaken for nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import Policy, compat32
from functools import partial
from itertools import count
from typing import Any

from publisher.mail.reports.report import NotAReport

# Reports are a few KiB, and the message that one returns stands at its end: no more than this is read.
LONGEST = 256 * 1024
# The parts of a report, and of its internationalized form (RFC 6533), under one name each. As text they are leaves.
_LEAVES = {
    "message/delivery-status": "text/delivery-status",
    "message/global-delivery-status": "text/delivery-status",
    "message/feedback-report": "text/feedback-report",
    "message/rfc822": "text/original",
    "message/global": "text/original",
    "message/rfc822-headers": "text/original",
    "message/global-headers": "text/original",
    "text/rfc822-headers": "text/original",
}
STATUS, FEEDBACK, ORIGINAL = "text/delivery-status", "text/feedback-report", "text/original"
# What the parser of the standard library raises for messages that break every rule.
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)
_FIELD = re.compile(r"([!-9;-~]+)[ \t]*:[ \t]*(.*)")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
# The parser's work grows with each level of nesting, and with the square of a field's length. A report has one level,
# and the message that it returns is not taken apart.
_MOST_MULTIPARTS = 10
_LONGEST_FIELD = 2_000
_MOST_BLOCKS = 200
_MOST_FIELDS = 500


@dataclass(frozen=True, slots=True)
class Parts:
    """The texts of a message that may be a report.

    headers: its own headers: lower-case names, each with its values in order.
    status, feedback: the text of each delivery status and each feedback report in it.
    original: the headers of the message that it returns; the first part with any.
    """

    headers: dict[str, list[str]]
    status: list[str]
    feedback: list[str]
    original: dict[str, list[str]]


class _Part(Message):
    """A part of one message. multiparts: counts those of all parts of that message, whatever they are nested in."""

    def __init__(self, multiparts: Iterator[int], policy: "Policy[Message]" = compat32) -> None:
        super().__init__(policy)
        self._multiparts = multiparts

    def get(self, name: str, failobj: Any = None) -> Any:
        # The parser reads all fields by it.
        value = super().get(name, failobj)
        return value[:_LONGEST_FIELD] if isinstance(value, str) else value

    def get_boundary(self, failobj: Any = None) -> Any:
        # Without a boundary the parser takes a part for text.
        return super().get_boundary(failobj) if next(self._multiparts) < _MOST_MULTIPARTS else failobj

    def get_content_type(self) -> str:
        kind = super().get_content_type()
        return _LEAVES.get(kind, kind)


def parts_of(message: bytes) -> Parts | NotAReport:
    """Takes the message apart. What is broken in it is left out."""
    data = message[:LONGEST]
    try:
        found = list(_texts(BytesParser(partial(_Part, count())).parsebytes(data)))
    except _BROKEN as error:
        return NotAReport(f"its MIME structure cannot be read ({type(error).__name__})")
    originals = [headers for kind, text in found if kind == ORIGINAL and (headers := headers_of(text))]
    return Parts(
        headers_of(_text(data)),
        [text for kind, text in found if kind == STATUS],
        [text for kind, text in found if kind == FEEDBACK],
        originals[0] if originals else {},
    )


def headers_of(text: str) -> dict[str, list[str]]:
    """Returns the headers at the text's beginning: lower-case names, each with its unfolded values in order."""
    return _block(_BLANK_LINE.split(_lines(text), 1)[0])


def blocks_of(text: str) -> list[dict[str, list[str]]]:
    """Returns the groups of fields in the text. Blank lines stand between groups; a line that is no field is left out.

    Reads up to 200 groups of up to 500 fields.
    """
    blocks = (_block(block) for block in _BLANK_LINE.split(_lines(text), _MOST_BLOCKS)[:_MOST_BLOCKS])
    return [block for block in blocks if block]


def first(fields: dict[str, list[str]], name: str) -> str | None:
    """Returns the first value of the field, or None if it is missing or blank."""
    return next((value for value in fields.get(name, []) if value), None)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\n")


def _block(text: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in text.split("\n")[:_MOST_FIELDS]:
        if line[:1] in {" ", "\t"}:
            if last is not None:
                last[-1] = f"{last[-1]} {line.strip()}".strip()
            continue
        found = _FIELD.match(line)
        last = None if found is None else fields.setdefault(found[1].lower(), [])
        if found is not None and last is not None:
            last.append(found[2].strip())
    return fields


def _texts(message: Message) -> Iterator[tuple[str, str]]:
    for part in message.walk():
        kind = part.get_content_type()
        if kind in {STATUS, FEEDBACK, ORIGINAL}:
            payload = part.get_payload(decode=True)
            yield kind, _text(payload if isinstance(payload, bytes) else b"")


def _text(data: bytes) -> str:
    # NUL cannot be kept in PostgreSQL.
    return data.decode("utf-8", "replace").replace("\0", "")
