"""A copy of an earlier commit that can be measured: its own code, and today's benchmarks as far as they fit it."""

import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BENCHMARKS = Path("tests/benchmarks")
# What knows the tables and the statements of its own commit: how rows are seeded, and the rulers.
OWN = ("stage.py", "rulers.py", "audit.py")


@dataclass(frozen=True)
class Copy:
    """A folder with the code of a commit, and the interpreter that has its dependencies."""

    name: str
    folder: Path
    python: Path


class NoSuchCommit(Exception):
    """The repository has no such commit, or that commit has no benchmarks."""


def today() -> Copy:
    """Returns the code of this checkout, as it stands."""
    return Copy("today", ROOT, Path(sys.executable))


@contextmanager
def copied(commit: str) -> Iterator[Copy]:
    """Yields a copy of this commit in a temporary folder, and removes it. Raises NoSuchCommit."""
    name = _git("rev-parse", "--short", "--verify", f"{commit}^{{commit}}").decode().strip()
    with tempfile.TemporaryDirectory(prefix=f"publisher-bench-{name}-") as temporary:
        folder = Path(temporary) / "code"
        folder.mkdir()
        subprocess.run(["tar", "-x", "-C", folder], input=_git("archive", name), check=True)
        _take_todays_benchmarks(folder, commit)
        yield Copy(name, folder, _interpreter(folder, Path(temporary) / "venv"))


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False)
    if done.returncode:
        raise NoSuchCommit(done.stderr.decode().strip())
    return done.stdout


def _take_todays_benchmarks(folder: Path, commit: str) -> None:
    there = folder / BENCHMARKS
    if not (there / OWN[0]).exists():
        raise NoSuchCommit(f"{commit} has no {BENCHMARKS / OWN[0]}: it is older than the benchmarks")
    for path in (ROOT / BENCHMARKS).glob("*.py"):
        if path.name not in OWN:
            shutil.copy(path, there / path.name)


def _interpreter(folder: Path, place: Path) -> Path:
    """Returns this interpreter if the commit has the same dependencies, else that of a new virtual environment."""
    if _dependencies(folder) == _dependencies(ROOT):
        return Path(sys.executable)
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--editable", f"{folder}[test]"], check=True)
    return python


def _dependencies(folder: Path) -> object:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return project["dependencies"], project["optional-dependencies"], project["scripts"]
