"""Lays JSON text out over lines, for people. No value is read: numbers and escapes stay as they were written."""

import re
from collections.abc import Iterator

# A string, a sign, or a number or word. A string that was cut ends with the text.
_PARTS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
_OPENING, _CLOSING = ("{", "["), ("}", "]")
_INDENT = "  "
# Deeper, each line would be indentation for the most part.
_DEEPEST = 20


def laid_out(text: str) -> str:
    """Returns the JSON text with a member or an element a line. Text that was cut is laid out as far as it goes."""
    return "".join(_laid_out(_PARTS.findall(text)))


def _laid_out(parts: list[str]) -> Iterator[str]:
    depth = 0
    for before, part, after in zip(["", *parts], parts, [*parts[1:], ""], strict=False):
        if part in _OPENING:
            depth += 1
            yield part if after in _CLOSING else f"{part}{_line(depth)}"
        elif part in _CLOSING:
            depth -= 1
            yield part if before in _OPENING else f"{_line(depth)}{part}"
        elif part == ",":
            yield f",{_line(depth)}"
        else:
            yield ": " if part == ":" else part


def _line(depth: int) -> str:
    return "\n" + _INDENT * max(0, min(depth, _DEEPEST))
