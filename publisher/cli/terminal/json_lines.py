"""Reads JSON lines as people and other tools write them, and recognizes files of another format."""

import json
from collections.abc import Iterator
from itertools import chain, islice
from json import JSONDecodeError
from typing import BinaryIO

from publisher.cli.terminal.files import numbered_lines
from publisher.domain.errors import BadRequest

_BOM = b"\xef\xbb\xbf"
# The text of a payload's numbers is kept by `intents send`, and not by every jq.
_JQ = "(jq before 1.7 writes 1.10 as 1.1, and rounds large numbers)"
# What a compressed file begins with, and what uncompresses it.
_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gzip -dc"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -dc"),
    b"\xfd7zXZ": ("xz", "xz -dc"),
    b"BZh": ("bzip2", "bzip2 -dc"),
    b"PK\x03\x04": ("zip", "unzip -p"),
}


def json_lines(source: BinaryIO, file: str) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that are not blank, with their numbers from 1, without byte order mark and line end.

    Raises BadRequest for a file of another format; the message says which, and how to convert it.
    """
    lines = ((number, _bare(line)) for number, line in numbered_lines(source, file))
    head = list(islice(lines, 2))
    other = _other_format([line for _, line in head], file)
    if other is not None:
        raise BadRequest(other)
    yield from chain(head, lines)


def _bare(line: bytes) -> bytes:
    # Files that are put together have marks in their midst, and JSON text sequences have another one (RFC 7464).
    return line.removeprefix(_BOM).removeprefix(b"\x1e").rstrip(b"\r\n")


def _other_format(head: list[bytes], file: str) -> str | None:
    """Names the format of the file by its first two lines, and the conversion; None if it may be JSON lines."""
    if not head:
        return None
    first, second = head[0], head[1] if len(head) > 1 else None
    named = "standard input" if file == "-" else repr(file)
    for magic, (kind, command) in _COMPRESSED.items():
        if first.startswith(magic):
            return f"{named} is compressed with {kind}: {command} FILE | publisher intents send -"
    encoding = json.detect_encoding(first)
    if b"\0" in first[:4] and not encoding.startswith("utf-8"):
        name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
        return f"{named} is {name}, not UTF-8: iconv -f {name} -t UTF-8 FILE | publisher intents send -"
    unfinished = _is_unfinished(first)
    if first.lstrip().startswith(b"[") and (second is None or unfinished):
        return f"{named} is a JSON array, not an object a line: jq -c '.[]' FILE | publisher intents send - {_JQ}"
    if first.lstrip().startswith(b"{") and unfinished and second is not None and not second.lstrip().startswith(b"{"):
        return f"{named} has objects of several lines, not one a line: jq -c . FILE | publisher intents send - {_JQ}"
    return None


def _is_unfinished(line: bytes) -> bool:
    """Returns whether the line is the beginning of a JSON document that goes on after it."""
    try:
        json.loads(line)
    except JSONDecodeError as error:
        return error.pos >= len(error.doc.rstrip())
    except (ValueError, RecursionError):
        return False
    return False
