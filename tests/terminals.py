"""Commands on a terminal of some width, and the screens they leave: as a person would see them.

A screen is what a terminal emulator made of every byte. With PUBLISHER_SCREENS=FOLDER in the environment each is also
written to a file there: `PUBLISHER_SCREENS=/tmp/screens pytest tests/acceptance/test_first_hour_*.py`.
"""

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pyte

from tests.processes import complete
from tests.waiting import wait_until

# Wider and higher than anything that is printed: so a line that is longer than the terminal is seen as one.
_WIDE, _HIGH = 1000, 600
_PATIENCE = 60.0
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# What looks like the first or the last part of a UUID: eight hexadecimal digits and a hyphen, or a hyphen and twelve.
_PART_OF_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]*|[0-9a-f-]*-[0-9a-f]{12}\b")
# Lines that stay one line however narrow the terminal is: a command to copy, the log line of a process of `up`, and a
# value of a malformed intent as it came.
_ONE_LINE = re.compile(r"\s*(?:Send an intent: +echo|publisher|export) [\w{'-]|(?:\^C)?\w+ +\| |  \w+_json: ")
_CUT_NUMBER = re.compile(r"\d[\d,]*…")


@dataclass(frozen=True)
class Screen:
    """What a command left on a terminal.

    columns: the terminal's width.
    code: the exit code, or None while the command runs.
    shown: the lines as they stand, wrapped where the terminal wraps.
    printed: the lines as they were printed, however long.
    """

    columns: int
    code: int | None
    shown: tuple[str, ...]
    printed: tuple[str, ...]

    @property
    def text(self) -> str:
        """All that is shown, as one line: a sentence is found wherever it is wrapped."""
        return " ".join(" ".join(self.shown).split())

    @property
    def too_long(self) -> list[str]:
        """Lines that the terminal has to wrap, but for those that stay one line."""
        return [line for line in self.printed if len(line) > self.columns and not _ONE_LINE.match(line)]

    @property
    def broken(self) -> list[str]:
        """Numbers that are cut off, and ids of which a line holds a part."""
        found = []
        for line in self.printed:
            found += _CUT_NUMBER.findall(line) + _PART_OF_UUID.findall(_UUID.sub("", line))
        return found


class Terminal:
    """One command on a terminal of its own."""

    def __init__(self, command: str, environ: Mapping[str, str | None], columns: int, folder: Path) -> None:
        self._columns = columns
        self._bytes = b""
        self._child = pexpect.spawn(
            "/bin/sh",
            ["-c", f"exec {command}"],
            env=complete({**environ, "TERM": "xterm-256color"}),
            cwd=folder,
            dimensions=(24, columns),
            timeout=None,
        )

    @property
    def screen(self) -> Screen:
        """The screen by now."""
        self._read()
        code = None if self._child.isalive() else self._child.exitstatus
        return Screen(self._columns, code, self._drawn(self._columns), self._drawn(_WIDE))

    def wait_for(self, text: str, within: float = _PATIENCE) -> Screen:
        """Returns the screen once it shows the text."""
        wait_until(lambda: text in self.screen.text, within=within, describe=lambda: "\n".join(self.screen.shown))
        return self.screen

    def type(self, text: str) -> None:
        """Types this. `\\x03` is Ctrl-C."""
        self._child.send(text)

    def wait(self, within: float = _PATIENCE) -> Screen:
        """Returns the screen once the command has ended."""
        deadline = time.monotonic() + within
        while self._child.isalive():
            self._read()
            if time.monotonic() > deadline:
                raise AssertionError(f"runs after {within} s:\n" + "\n".join(self.screen.shown))
        self._child.close()
        return self.screen

    def kill(self) -> None:
        """Ends the command at once, if it still runs."""
        self._child.close(force=True)

    def _read(self) -> None:
        with suppress(pexpect.EOF, pexpect.TIMEOUT, ValueError):
            while True:
                self._bytes += self._child.read_nonblocking(65536, timeout=0.05)

    def _drawn(self, columns: int) -> tuple[str, ...]:
        screen = pyte.Screen(columns, _HIGH)
        # A terminal begins a new line where it is told to; the pseudo-terminal has made that of each line feed.
        pyte.ByteStream(screen).feed(self._bytes)
        lines = [line.rstrip() for line in screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return tuple(lines)


def write_screen(name: str, command: str, screen: Screen) -> None:
    """Writes the screen to the folder that PUBLISHER_SCREENS names, if it names one."""
    if folder := os.environ.get("PUBLISHER_SCREENS"):
        path = Path(folder) / f"{name}.{screen.columns}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        ended = "still running" if screen.code is None else f"exit code {screen.code}"
        path.write_text("\n".join([f"$ {command}", *screen.shown, f"({ended})", ""]))
