"""Reads files that a command line names; `-` is standard input."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

from publisher.cli.terminal.progress import progress
from publisher.domain.errors import BadRequest

# Of a file that is read as a whole: more than a day of notifications, and little enough for any machine's memory.
_WHOLE_BYTES = 64 * 1024 * 1024


@contextmanager
def opened(file: str, doing: str) -> Iterator[BinaryIO]:
    """Opens the file, and on a terminal shows how much of it has been read. doing: the label of that bar.

    Raises BadRequest for a file that cannot be opened.
    """
    if file == "-":
        yield sys.stdin.buffer
        return
    columns = TextColumn(doing), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with progress(*columns) as bar:
        try:
            source = bar.open(_path(file), "rb")
        except OSError as error:
            raise _cannot_read(file, error) from error
        with source:
            yield source


def shown(file: str) -> str:
    """Returns how a message names the file."""
    return "standard input" if file == "-" else repr(file)


def read_text(file: str) -> str:
    """Returns all of the file. Raises BadRequest if it cannot be read, is not UTF-8, or has more than 64 MiB."""
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else Path(os.fsdecode(_path(file))).open("rb") as source:
            data = source.read(_WHOLE_BYTES + 1)
        if len(data) > _WHOLE_BYTES:
            raise BadRequest(f"{shown(file)} has more than 64 MiB: hand it over in parts")
        return data.decode()
    except OSError as error:
        raise _cannot_read(file, error) from error
    except UnicodeDecodeError as error:
        raise BadRequest(f"{shown(file)} is not UTF-8: {error.reason}") from error


def numbered_lines(source: BinaryIO, file: str) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that are not blank, with their numbers from 1. Raises BadRequest if reading fails midway."""
    try:
        for number, line in enumerate(source, start=1):
            if line.strip():
                yield number, line
    except OSError as error:
        raise _cannot_read(file, error) from error


def _path(file: str) -> bytes:
    # An argument that the locale cannot express was read as UTF-8: its bytes are what was typed.
    try:
        return os.fsencode(file)
    except UnicodeEncodeError:
        return file.encode()


def _cannot_read(file: str, error: OSError) -> BadRequest:
    return BadRequest(f"cannot read {shown(file)}: {error.strerror}")
