"""Files for `publisher intents send` as other tools write them."""

import bz2
import gzip
import io
import json
import lzma

import pytest

from publisher.cli.terminal.json_lines import json_lines
from publisher.domain.errors import BadRequest

LINES = [json.dumps({"idempotency_key": f"k{n}", "name": "Jörg 🎲"}, ensure_ascii=False) for n in range(3)]
TEXT = "".join(f"{line}\n" for line in LINES)
BOM = b"\xef\xbb\xbf"
PRETTY = json.dumps(json.loads(LINES[0]), indent=2)


def read(data: bytes) -> list[tuple[int, bytes]]:
    """The lines of a file with these bytes."""
    return list(json_lines(io.BytesIO(data), "intents.jsonl"))


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode().rstrip(),
        BOM + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        BOM + TEXT.replace("\n", "\r\n").encode(),
        "".join(f"\x1e{line}\n" for line in LINES).encode(),
        BOM + f"{LINES[0]}\n".encode() + BOM + "\n".join(LINES[1:]).encode(),
    ],
    ids=["plain", "no final newline", "mark", "CRLF", "mark and CRLF", "record separators", "two files put together"],
)
def test_lines_of_any_tool_are_the_same_lines(data: bytes) -> None:
    """Byte order marks, record separators and the ends of lines are no part of a line."""
    assert read(data) == [(n, line.encode()) for n, line in enumerate(LINES, start=1)]


def test_blank_lines_are_nothing_but_counted() -> None:
    """A line keeps the number that an editor shows."""
    assert read(b"\n \r\n{}\n\n[1, 2]\n") == [(3, b"{}"), (5, b"[1, 2]")]


@pytest.mark.parametrize(
    ("data", "named", "remedy"),
    [
        (TEXT.encode("utf-16"), "is UTF-16, not UTF-8", "iconv -f UTF-16 -t UTF-8 FILE"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "is UTF-16, not UTF-8", "iconv -f UTF-16 -t UTF-8 FILE"),
        (TEXT.encode("utf-16-le"), "is UTF-16LE, not UTF-8", "iconv -f UTF-16LE -t UTF-8 FILE"),
        (TEXT.encode("utf-32"), "is UTF-32, not UTF-8", "iconv -f UTF-32 -t UTF-8 FILE"),
        (gzip.compress(TEXT.encode(), mtime=0), "is compressed with gzip", "gzip -dc FILE"),
        (bz2.compress(TEXT.encode()), "is compressed with bzip2", "bzip2 -dc FILE"),
        (lzma.compress(TEXT.encode()), "is compressed with xz", "xz -dc FILE"),
        (f"[{', '.join(LINES)}]".encode(), "is a JSON array", "jq -c '.[]' FILE"),
        (json.dumps([json.loads(line) for line in LINES], indent=2).encode(), "is a JSON array", "jq -c '.[]' FILE"),
        (f"\n[{', '.join(LINES)},\n{LINES[0]}]\n".encode(), "is a JSON array", "jq -c '.[]' FILE"),
        (PRETTY.encode(), "has objects of several lines", "jq -c . FILE"),
        (f"{PRETTY}\n{PRETTY}\n".encode(), "has objects of several lines", "jq -c . FILE"),
        (LINES[0].replace(", ", ",\n").encode(), "has objects of several lines", "jq -c . FILE"),
    ],
)
def test_another_format_is_named_once_with_what_to_do(data: bytes, named: str, remedy: str) -> None:
    """A file that is no JSON lines at all is not answered with an error a line."""
    with pytest.raises(BadRequest) as refused:
        read(data)

    assert str(refused.value).startswith("'intents.jsonl' is ") or "'intents.jsonl' has " in str(refused.value)
    assert named in str(refused.value)
    assert f"{remedy} | publisher intents send -" in str(refused.value)
    assert ("jq before 1.7 writes 1.10 as 1.1" in str(refused.value)) == remedy.startswith("jq")


@pytest.mark.parametrize(
    "data",
    [
        b"{\n" + TEXT.encode(),
        LINES[0][:20].encode() + b"\n" + TEXT.encode(),
        b"[1, 2]\n" + TEXT.encode(),
        b"\xff\xfe\n" + TEXT.encode(),
        b"{",
        b'"',
        b"[" * 100_000 + b"\n" + TEXT.encode(),
        b"9" * 5000,
    ],
)
def test_a_broken_first_line_is_a_line_like_any_other(data: bytes) -> None:
    """Only what speaks for the whole file condemns it: the lines after a bad one are still read."""
    assert len(read(data)) == len(data.splitlines())
