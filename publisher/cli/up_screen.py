"""The screen of `publisher up`: the lines of every process in one stream, each after the name of its process."""

import os
from collections.abc import Iterable

from publisher.process.colours import has_colours
from publisher.process.log_output import LineOutput

_NAMES = ("release", "worker", "clock", "intake", "mailer", "web", "up")
_WIDTH = max(map(len, _NAMES))
# Codes of a terminal's colours.
_COLOURS = {"worker": "36", "clock": "33", "intake": "32", "mailer": "35", "web": "34", "up": "1"}


class Screen:
    """Writes whole lines, and drops those that nobody reads. Safe to share between threads. Never raises."""

    def __init__(self, descriptor: int) -> None:
        """Writes to this descriptor. `colours` says whether lines have colours there."""
        self.colours = has_colours(descriptor, os.environ)
        self._output = LineOutput(descriptor, lambda count: f"{count} lines were dropped: nobody read them\n".encode())

    def relay(self, name: str, line: bytes) -> None:
        """Writes a line of the process with this name."""
        self._output.write(self._prefix(name) + line.rstrip(b"\r\n") + b"\n")

    def say(self, text: str) -> None:
        """Writes a line of `publisher up` itself."""
        self.relay("up", text.encode(errors="backslashreplace"))

    def show(self, lines: Iterable[str]) -> None:
        """Writes lines that are there to be pasted: without a name, all at once."""
        self._output.write("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))

    def _prefix(self, name: str) -> bytes:
        prefix = f"{name:<{_WIDTH}} |"
        code = _COLOURS.get(name) if self.colours else None
        return f"\x1b[{code}m{prefix}\x1b[0m ".encode() if code else f"{prefix} ".encode()
