"""Makes standard input, output and error safe to use, whatever the shell passed.

Each may be closed, full, a pipe that nobody reads, or unable to show a character. `open_streams` replaces all three
before a command runs, so that no command has to check.

- Standard input that is closed or cannot be read: reading it is a StreamLost.
- Standard output that is closed or full: writing it is a StreamLost. If its reader is gone: BrokenPipeError.
- Standard error that is closed or full: messages are dropped, and the exit code alone tells.
- A character that the encoding lacks: shown as a similar ASCII character, or as an escape.
"""

import codecs
import io
import os
import sys

from publisher.domain.errors import StreamLost

_ERRORS = "publisher.readable"
# Signs of our own tables and sentences, each by one character: a table keeps its columns.
_PLAIN = dict(zip("–—…→←─━│├└┘•▶◀▲▼▸×−", "--.><--|+++*><^v>x-", strict=True))


def open_streams() -> None:
    """Replaces sys.stdin, sys.stdout and sys.stderr by streams that behave as described above.

    Closed descriptors are taken, so that no connection to a server gets the number 1 and the output of a child
    process. Raises nothing.
    """
    codecs.register_error(_ERRORS, _readable)
    # Opened the wrong way round, so that using them is an error; what is said on a closed standard error is dropped.
    for descriptor, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        _take_if_closed(descriptor, flags)
    encodings = [stream.encoding if stream is not None else "utf-8" for stream in (sys.stdin, sys.stdout, sys.stderr)]
    sys.stdin = io.TextIOWrapper(io.BufferedReader(_Input(0, "rb", closefd=False)), encodings[0], "surrogateescape")
    sys.stdout = _writer(_Output(1, "wb", closefd=False), encodings[1])
    sys.stderr = _writer(_Complaints(2, "wb", closefd=False), encodings[2])


def drop_output() -> None:
    """Discards what standard output still buffers, which the interpreter would otherwise try to write at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def shows_every_character() -> bool:
    """Returns whether standard output can show every character, by the same rule as rich: a Unicode encoding."""
    return _encoding().lower().startswith("utf")


def expressible(text: str) -> str:
    """Returns the text as standard output shows it, with a substitute for each character that it cannot show."""
    return text if shows_every_character() else text.encode(_encoding(), _ERRORS).decode(_encoding())


def _encoding() -> str:
    # While rich keeps a live display, sys.stdout is a proxy of its own, which has no encoding.
    encoding: str = getattr(sys.stdout, "rich_proxied_file", sys.stdout).encoding
    return encoding


class _Input(io.FileIO):
    def readinto(self, buffer: "bytearray | memoryview") -> int | None:  # type: ignore[override]
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise StreamLost(f"cannot read standard input: {error.strerror}") from error

    def readall(self) -> bytes:
        try:
            return super().readall()
        except OSError as error:
            raise StreamLost(f"cannot read standard input: {error.strerror}") from error


class _Output(io.FileIO):
    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StreamLost(f"cannot write to standard output: {error.strerror}") from error


class _Complaints(io.FileIO):
    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError:
            # There is nowhere left to say it. The exit code tells.
            return len(data)


def _writer(raw: io.FileIO, encoding: str) -> io.TextIOWrapper:
    # Standard error is written line by line, standard output too on a terminal, as Python does it.
    line_by_line = raw.fileno() == 2 or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, _ERRORS, line_buffering=line_by_line)


def _take_if_closed(descriptor: int, flags: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        nowhere = os.open(os.devnull, flags)
        if nowhere != descriptor:
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
        else:
            os.set_inheritable(descriptor, True)


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    """The error handler of the streams: our own signs as ASCII, every other character as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    shown = "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in missing)
    return shown, error.end
