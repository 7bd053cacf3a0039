"""Keeps one event of the log on one line, for every reader of it (R26).

Readers disagree about what ends a line: besides the line feed, str.splitlines takes NEL, the Unicode line and paragraph
separators, VT, FF and the information separators; terminals and old editors take more of the C1 controls.
"""

import re

# In UTF-8: C1 controls, NEL among them, and U+2028 and U+2029. JSON itself escapes what is below a space.
_SEPARATORS = re.compile(rb"\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")


def json_line(line: bytes) -> bytes:
    """The same JSON document in UTF-8, with every character that may end a line as an escape.

    line: as orjson writes it. Most lines are ASCII, or hold neither byte that such a character begins with: those are
    returned as they are, in a tenth of a microsecond.
    """
    if line.isascii() or not (b"\xc2" in line or b"\xe2" in line):
        return line
    return _SEPARATORS.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), line)


def shown_on_one_line(text: str) -> str:
    """The text with every unprintable character as an escape, `\\x85`, the line feed too."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
