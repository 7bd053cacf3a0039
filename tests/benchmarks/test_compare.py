"""The comparison of two commits: what is measured, and how the lines of both become ratios."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.benchmarks.compare import Measured, compare, lines
from tests.benchmarks.copied_commit import ROOT, NoSuchCommit, copied, today
from tests.benchmarks.results import Figure

needs_history = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the code stands here without its history")


def measured(name: str, *values: str, what: str = "drain") -> Measured:
    """What one side gave in its turns, for one line."""
    side = Measured(name)
    for value in values:
        side.add(Figure("drain", what, value))
    return side


def test_a_line_is_compared_turn_by_turn() -> None:
    """The ratio is that of the medians; its minimum and maximum are those of each pair of turns."""
    [line] = lines(measured("old", "1,000 routes/s", "2,000 routes/s"), measured("new", "1,500/s", "2,500/s"))

    assert line.ratio == pytest.approx(2_000 / 1_500)
    assert list(line.ratios) == [1.5, 1.25]


def test_each_percentile_of_a_latency_is_compared() -> None:
    """A line of three numbers gives three ratios, each under its name."""
    what = "50 intents/s: p50 / p95 / p99"
    found = lines(measured("old", "8 / 11 / 15 ms", what=what), measured("new", "4 / 11 / 30 ms", what=what))

    assert {line.what: line.ratio for line in found} == {
        "50 intents/s: p50": 0.5,
        "50 intents/s: p95": 1.0,
        "50 intents/s: p99": 2.0,
    }


@needs_history
def test_the_code_of_the_commit_is_measured() -> None:
    """The copy imports its own code, and is gone afterwards."""
    ask = "import actors, publisher, storage; print(actors.__file__, publisher.__file__, storage.__file__)"
    with copied("HEAD") as copy:
        environ = {**os.environ, "PYTHONPATH": str(copy.folder)}
        # As a process of the Procfile is started: not in the folder of the copy.
        said = subprocess.run(
            [copy.python, "-c", ask], cwd="/", env=environ, capture_output=True, check=True, text=True
        )

    assert [Path(path).parent.parent for path in said.stdout.split()] == [copy.folder] * 3
    assert not copy.folder.exists()


@needs_history
def test_a_commit_that_is_not_there_is_named() -> None:
    """A word that names no commit is refused before anything is measured."""
    with pytest.raises(NoSuchCommit, match="Needed a single revision"), copied("nowhere"):
        pass


@needs_history
@pytest.mark.long
def test_two_commits_are_measured_in_turn() -> None:
    """Both sides give the same lines, so many turns each, and a group that fails is named and left out."""
    turns = []
    with copied("HEAD") as before:
        sides = compare(before, today(), ["startup", "nonsense"], 1, ["--tiny"], lambda name, *_: turns.append(name))

    assert list(dict.fromkeys(turns)) == [before.name, "today"]
    assert {line.group for line in lines(*sides)} == {"startup"}
    assert all(len(side.failed) == 1 and "nonsense" in side.failed[0] for side in sides)
