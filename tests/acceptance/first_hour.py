"""The first hour with the service: commands typed on a terminal, each screen kept and judged."""

from collections.abc import Mapping
from pathlib import Path

from tests.terminals import Screen, Terminal, write_screen

COLUMNS = (80, 60)


class FirstHour:
    """A person at a terminal, in a folder and an environment."""

    def __init__(self, environ: Mapping[str, str | None], columns: int, folder: Path) -> None:
        self.environ = dict(environ)
        self.columns = columns
        self.folder = folder
        self.problems: list[str] = []
        self._opened: list[Terminal] = []

    def types(self, command: str, *, says: str = "", code: int = 0, screen: str = "") -> Screen:
        """Runs a command line to its end, and judges what it shows.

        says: the sentence that matters.
        screen: the name of the file for this screen; the command itself if left out.
        """
        seen = self.begins(command).wait()
        self.judges(screen or command, command, seen, says=says)
        if seen.code != code:
            self._problem(command, f"exit code {seen.code}, not {code}", seen)
        return seen

    def begins(self, command: str) -> Terminal:
        """Starts a command line, and leaves it running."""
        terminal = Terminal(command, self.environ, self.columns, self.folder)
        self._opened.append(terminal)
        return terminal

    def judges(self, name: str, command: str, screen: Screen, *, says: str = "") -> None:
        """Keeps the screen, and notes every line that is longer than the terminal is wide, every number and id that is
        broken, and the sentence that is missing."""
        write_screen(_file_name(name), command, screen)
        if screen.too_long:
            self._problem(command, "lines that are too long", screen)
        if screen.broken:
            self._problem(command, f"broken: {screen.broken}", screen)
        if says not in screen.text:
            self._problem(command, f"not said: {says}", screen)

    def _problem(self, command: str, what: str, screen: Screen) -> None:
        self.problems.append("\n".join([f"{what}, at {screen.columns} columns:", f"$ {command}", *screen.shown]))

    def close(self) -> None:
        """Ends whatever still runs, and fails if any screen had a problem: one run shows them all."""
        for terminal in self._opened:
            terminal.kill()
        assert not self.problems, "\n\n".join(self.problems)


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in name)[:60]
