"""Measures an earlier commit and this checkout in turn, A B A B, and says of each line how they compare.

Each turn is a process of its own with servers of its own. So both meet the same machine, whatever else it does.
"""

import json
import re
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from os import environ, pathsep
from typing import IO

from tests.benchmarks.copied_commit import Copy
from tests.benchmarks.results import Figure

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
Line = tuple[str, str]
# Told who is at work, in which turn, on which group, and the newest line, or None at the beginning.
Told = Callable[[str, int, str, Figure | None], None]


@dataclass
class Measured:
    """What the turns of one side gave: of each line its numbers, turn by turn. failed: why lines are missing."""

    name: str
    numbers: dict[Line, list[list[float]]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        """Takes the numbers of a line: one, or three of a latency."""
        found = [float(text.replace(",", "")) for text in _NUMBER.findall(figure.value)]
        if found:
            self.numbers.setdefault((figure.group, figure.what), []).append(found)


@dataclass(frozen=True)
class Compared:
    """One number of one line. before, after: of each turn. ratios: after / before, turn by turn."""

    group: str
    what: str
    before: Sequence[float]
    after: Sequence[float]

    @property
    def ratios(self) -> Sequence[float]:
        """How many times as much this checkout has, in each pair of turns."""
        return [after / before for before, after in zip(self.before, self.after, strict=False) if before]

    @property
    def ratio(self) -> float | None:
        """The ratio of the medians; None where the earlier commit has nothing."""
        before = statistics.median(self.before)
        return statistics.median(self.after) / before if before else None


def compare(
    before: Copy, after: Copy, groups: Sequence[str], rounds: int, arguments: Sequence[str], told: Told
) -> tuple[Measured, Measured]:
    """Measures both in turn, so many rounds. arguments: more of the command line of each turn."""
    sides = Measured(before.name), Measured(after.name)
    for turn in range(1, rounds + 1):
        for copy, side in zip((before, after), sides, strict=True):
            for group in groups:
                told(copy.name, turn, group, None)
                try:
                    with closing(_turn(copy, group, arguments)) as figures:
                        for figure in figures:
                            told(copy.name, turn, group, figure)
                            side.add(figure)
                except TurnFailed as error:
                    side.failed.append(f"{group}: {error}")
    return sides


def lines(before: Measured, after: Measured) -> Iterator[Compared]:
    """The numbers of every line that both have, in the order of the earlier commit."""
    for line, seen in before.numbers.items():
        others = after.numbers.get(line)
        if others is None:
            continue
        for number, name in enumerate(_names(line[1], min(map(len, [*seen, *others])))):
            yield Compared(line[0], name, [turn[number] for turn in seen], [turn[number] for turn in others])


def _names(what: str, count: int) -> Sequence[str]:
    """A line of three numbers names them itself: `p50 / p95 / p99`."""
    head, _, parts = what.rpartition(": ")
    named = parts.split(" / ")
    return [f"{head}: {part}" for part in named] if len(named) == count > 1 else [what] * min(count, 1)


class TurnFailed(Exception):
    """A turn came to no end: the earlier commit lacks what is measured, or the measurement failed."""


def _turn(copy: Copy, group: str, arguments: Sequence[str]) -> Generator[Figure, None, None]:
    command = [copy.python, "-m", "tests.benchmarks", "--only", group, "--runs", "1", "--json", *arguments]
    # In front of what is installed: the child processes of a turn are of the same code.
    path = pathsep.join(filter(None, [str(copy.folder), environ.get("PYTHONPATH", "")]))
    # Whatever a turn leaves behind that was interrupted, goes with its folder.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryDirectory(prefix="publisher-turn-") as folder:
        with _stopped(
            # Out of the terminal's reach: a Ctrl-C comes from this process, once, and is waited for.
            subprocess.Popen(
                command,
                cwd=copy.folder,
                # A traceback ends in the line that says what is wrong.
                env={**environ, "PYTHONPATH": path, "TMPDIR": folder, "TYPER_STANDARD_TRACEBACK": "1"},
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                yield Figure(**json.loads(line))
        if child.returncode:
            raise TurnFailed(_end_of(said))


@contextmanager
def _stopped(child: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """Waits for the child; if this process is interrupted, interrupts it, so that it stops its servers."""
    with child:
        try:
            yield child
        except BaseException:
            # The servers take a moment to end. A second Ctrl-C would leave them behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            child.send_signal(signal.SIGINT)
            raise


def _end_of(said: IO[bytes]) -> str:
    said.seek(0)
    return said.read().decode(errors="replace").strip().rpartition("\n")[2]
