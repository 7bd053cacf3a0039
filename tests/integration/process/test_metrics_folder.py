"""The folder that the workers of one master share: whose it is, and when it is removed (R15, R25)."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.process.metrics_folder import metrics_folder, remove_once_unused, tell_port, told_port, use_folder

USER = """
import sys
from pathlib import Path
from publisher.process.metrics_folder import use_folder
use_folder(Path(sys.argv[1]))
print("uses it", flush=True)
sys.stdin.read()
"""
User = Callable[[Path], "subprocess.Popen[bytes]"]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for temporary files of this test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def dead_pid() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


@pytest.fixture
def user() -> Iterator[User]:
    """Starts a process that uses a folder until it is killed."""
    started = []

    def start(folder: Path) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", USER, str(folder)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"uses it\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def left(pid: int, file: str = "counter_17.db") -> Path:
    """A folder with counters in it, which nobody has locked."""
    folder = metrics_folder(pid)
    folder.mkdir()
    (folder / file).touch()
    return folder


def test_workers_of_one_master_share_a_folder_and_no_others() -> None:
    """Two deployments on one machine do not add up each other's counters (R15, R25)."""
    assert metrics_folder(17) == metrics_folder(17) != metrics_folder(18)


def test_a_read_only_system_has_its_folder_in_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container with a read-only root: no folder for temporary files can be written to."""
    monkeypatch.setattr(os, "access", lambda path, _mode: path == Path("/dev/shm"))  # noqa: S108

    assert metrics_folder(17) == Path("/dev/shm/publisher-metrics-17")  # noqa: S108


def test_the_current_folder_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library falls back to it, and it is the application's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))

    assert metrics_folder(17).parent != tmp_path


def test_without_any_place_that_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which a worker logs, and works without counters."""
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)

    with pytest.raises(OSError, match="no folder for temporary files"):
        metrics_folder(17)


def test_a_folder_tells_its_port(user: User) -> None:
    """Workers read at which port the process beside them serves what they count; until then it is 0."""
    folder = metrics_folder(os.getpid())
    user(folder)
    assert told_port(folder) == 0

    tell_port(folder, 9102)

    assert told_port(folder) == 9102


def test_a_dead_masters_folder_is_removed_at_the_next_start(dead_pid: int, user: User) -> None:
    """A master that was killed leaves its folder behind, until another one starts."""
    stale, own = left(dead_pid), metrics_folder(os.getpid())

    user(own)

    assert not stale.exists()
    assert own.is_dir()


def test_a_folder_in_use_is_not_removed_whatever_its_number_says(dead_pid: int, user: User) -> None:
    """Containers that share a folder for temporary files do not see each other's processes: the lock holds."""
    used = metrics_folder(dead_pid)
    user(used)
    (used / "counter_17.db").touch()

    user(metrics_folder(os.getpid()))

    assert (used / "counter_17.db").exists()


def test_a_live_processs_folder_is_not_removed(user: User) -> None:
    """Workers of the release before do not lock their folder; their master lives, and so does the folder (R15)."""
    unlocked = left(os.getppid())

    user(metrics_folder(os.getpid()))

    assert (unlocked / "counter_17.db").exists()


def test_a_folder_that_is_removed_before_it_is_locked_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that start at once remove what nobody has locked, also what another has made in this moment (R25)."""
    folder, removed = metrics_folder(os.getpid()), []
    opened = os.open

    def open_late(path: Path, flags: int) -> int:
        if path == folder and folder.exists() and not removed:
            folder.rmdir()
            removed.append(folder)
        return opened(path, flags)

    monkeypatch.setattr(os, "open", open_late)
    use_folder(folder)

    assert removed
    assert folder.is_dir()


def test_what_another_user_left_is_let_alone(dead_pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of another user is neither removed nor written to."""
    theirs = left(dead_pid)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(PermissionError, match="another user's"):
        use_folder(theirs)

    assert (theirs / "counter_17.db").exists()


def test_what_only_looks_alike_is_let_alone(tmp_path: Path, user: User) -> None:
    """Other names than those of the service's folders are not its matter."""
    alike = [tmp_path / f"publisher-metrics-{name}" for name in ("old", "17-copy", "")]
    for folder in alike:
        folder.mkdir()

    user(metrics_folder(os.getpid()))

    assert all(folder.is_dir() for folder in alike)


def test_a_link_is_no_folder_to_write_to(tmp_path: Path) -> None:
    """Where anybody may write, a link could lead counters to any place: it is refused, and what it leads to kept."""
    (tmp_path / "precious").mkdir()
    folder = metrics_folder(os.getpid())
    folder.symlink_to(tmp_path / "precious")

    with pytest.raises(OSError):  # noqa: PT011 - the system's own words
        use_folder(folder)

    assert (tmp_path / "precious").is_dir()


def test_a_number_that_comes_again_brings_no_old_counters(user: User) -> None:
    """A master may get the number of a dead one: its workers start at zero, and the second clears nothing (R25)."""
    folder = left(os.getpid(), "counter_1.db")

    user(folder)
    assert list(folder.iterdir()) == []
    (folder / "counter_2.db").touch()
    user(folder)

    assert [path.name for path in folder.iterdir()] == ["counter_2.db"]


def test_a_folder_goes_with_the_last_worker(user: User) -> None:
    """While one worker lives the folder stays, and then it is removed."""
    folder = metrics_folder(os.getpid())
    first, second = user(folder), user(folder)
    first.kill()
    first.wait()

    remove_once_unused(folder, timedelta(0))
    assert folder.is_dir()
    second.kill()
    second.wait()
    remove_once_unused(folder, timedelta(seconds=20))

    assert not folder.exists()
