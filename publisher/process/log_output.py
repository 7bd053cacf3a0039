"""Writes log lines to standard error, and drops them where the reader is stalled or gone.

The reader may be a router that restarts, or `| head`. A line waits up to a second for a slow reader. After that the
reader counts as stalled: lines are dropped without waiting until it reads again, and then a line says how many were
dropped. If the reader is gone, lines are dropped as well. So no thread waits long for a log, and none fails for one.
"""

import io
import os
import select
import socket
import stat
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

_PATIENCE_SECONDS = 1.0
# A pipe that can be written to takes at least so much without waiting.
_PIECE = 4096

Send = Callable[[memoryview], int]


class LineOutput:
    """Writes whole lines to a descriptor. Safe to share between threads. Never raises, and never waits for long.

    notice: makes the line that says how many lines were dropped.
    """

    def __init__(self, descriptor: int, notice: Callable[[int], bytes]) -> None:
        self._notice = notice
        self._lock = threading.Lock()
        self._resources = ExitStack()
        self._descriptor, self._send = _without_waiting(descriptor, self._resources)
        self._stalled = False
        self._torn = False
        self._dropped = 0

    def write(self, lines: bytes) -> int:
        """Writes the lines, which end with a line feed, or drops them."""
        # Held for long only where a write had to wait, and waited longer than it should.
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            self._dropped += 1
            return len(lines)
        try:
            # In one: the notice alone might fit where the line does not.
            notice = self._notice(self._dropped) if self._dropped else b""
            self._dropped = 0 if self._put(notice + lines) else self._dropped + 1
        finally:
            self._lock.release()
        return len(lines)

    def close(self) -> None:
        """Gives up what it has opened for itself, and not the descriptor."""
        self._resources.close()

    def _put(self, lines: bytes) -> bool:
        deadline = time.monotonic() + (0.0 if self._stalled else _PATIENCE_SECONDS)
        # The rest of a line that was cut off is gone: the next one begins a line of its own.
        rest = memoryview(b"\n" + lines if self._torn else lines)
        try:
            while rest:
                try:
                    sent = self._send(rest)
                except BlockingIOError:
                    if not self._may_go_on(deadline):
                        self._stalled = True
                        return False
                else:
                    self._torn, rest = True, rest[sent:]
        except OSError:
            # Nobody reads any more, or the disk is full.
            return False
        self._stalled = self._torn = False
        return True

    def _may_go_on(self, deadline: float) -> bool:
        seconds = deadline - time.monotonic()
        return seconds > 0 and _writable(self._descriptor, seconds)


class LineStream(io.TextIOBase):
    """A text stream of whole lines on a LineOutput, for what is printed and for tracebacks."""

    def __init__(self, output: LineOutput, descriptor: int) -> None:
        self._output = output
        self._descriptor = descriptor
        self._rest = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """UTF-8; what cannot be encoded stands as an escape."""
        return "utf-8"

    def writable(self) -> bool:
        """True."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether people read it."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> int:
        """Writes the lines that are whole by now."""
        lines, feed, self._rest = (self._rest + text).rpartition("\n")
        if feed:
            self._output.write((lines + feed).encode(errors="backslashreplace"))
        return len(text)


def _without_waiting(descriptor: int, resources: ExitStack) -> tuple[int, Send]:
    """How to write to the descriptor without waiting, and a descriptor to poll.

    The descriptor itself is left as it is: the mode would be that of every process which has inherited it.
    """
    with suppress(OSError):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISSOCK(mode):
            connection = resources.enter_context(socket.socket(fileno=os.dup(descriptor)))
            return descriptor, lambda data: connection.send(data, socket.MSG_DONTWAIT)
        if stat.S_ISFIFO(mode) or os.isatty(descriptor):
            # Linux: a description of our own of the same pipe or terminal.
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
            resources.callback(os.close, own)
            return own, lambda data: os.write(own, data)
        if stat.S_ISREG(mode):
            # Never waited for; and with a place of its own, a second description would write over the first.
            return descriptor, lambda data: os.write(descriptor, data)
    return descriptor, lambda data: _piece(descriptor, data)


def _piece(descriptor: int, data: memoryview) -> int:
    """Writes only what goes at once, as long as nobody else writes at the same moment."""
    if not _writable(descriptor, 0):
        raise BlockingIOError
    return os.write(descriptor, data[:_PIECE])


def _writable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    # A reader that is gone counts: the write says so.
    return bool(poll.poll(round(seconds * 1000)))
