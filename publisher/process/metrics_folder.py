"""The folder in which the worker processes of one master share their counters (R25).

Each worker locks its folder for as long as it lives, and the operating system takes the lock back however the worker
ends. So nobody needs a folder that is not locked, whichever process has the number in its name by now.
"""

import errno
import fcntl
import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

_NAME = re.compile(r"publisher-metrics-(\d+)")
# Counters are files mapped into memory: on a full disk, writing to one would kill the process (SIGBUS).
_LEAST_ROOM = 16 * 1024 * 1024
_TICK = 0.1
# A container with a read-only root has no folder for temporary files, but mostly this one, in memory.
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it is this user's alone
# Where a folder tells at which port its counters are served.
_PORT = "port"


def metrics_folder(master_pid: int) -> Path:
    """The folder of this master's workers, in the first place that can be written to. Raises OSError without one."""
    for place in _places():
        if os.access(place, os.W_OK | os.X_OK):
            return place / f"publisher-metrics-{master_pid}"
    raise OSError(errno.EROFS, "no folder for temporary files can be written to")


def tell_port(folder: Path, port: int) -> None:
    """Notes at which port the counters of this folder are served. Raises OSError."""
    unfinished = folder / f"{_PORT}.new"
    unfinished.write_text(str(port))
    unfinished.rename(folder / _PORT)


def told_port(folder: Path) -> int:
    """The port at which the counters of this folder are served; 0 while they are not."""
    try:
        return int((folder / _PORT).read_text())
    except (OSError, ValueError):
        return 0


def use_folder(folder: Path) -> None:
    """Makes the folder, empty unless another worker uses it, and locks it until this process ends.

    Folders that masters left behind are removed. Raises OSError if the folder cannot be used.
    """
    _sweep()
    _remove_unused(folder)
    while True:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        try:
            descriptor = _open(folder)
        except FileNotFoundError:
            # Another worker removed it between the two lines, for it was not locked yet.
            continue
        if os.fstat(descriptor).st_uid != os.geteuid():
            os.close(descriptor)
            raise PermissionError(errno.EPERM, "the folder is another user's", str(folder))
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _is_at(descriptor, folder):
            # Never closed: the lock goes with the process.
            break
        # Another worker found it unlocked in this very moment, and removed it.
        os.close(descriptor)
    room = os.statvfs(folder)
    if room.f_bavail * room.f_frsize < _LEAST_ROOM:
        raise OSError(errno.ENOSPC, "no room for counters", str(folder))


def remove_once_unused(folder: Path, within: timedelta) -> None:
    """Removes the folder when the last worker has ended, or leaves it to the next start if that takes too long."""
    deadline = time.monotonic() + within.total_seconds()
    while not _remove_unused(folder) and time.monotonic() < deadline:
        time.sleep(_TICK)


def _sweep() -> None:
    """Removes this user's folders of masters that are gone."""
    for folder in (folder for place in _places() for folder in place.glob("publisher-metrics-*")):
        named = _NAME.fullmatch(folder.name)
        # Workers of an earlier release do not lock their folder: the number tells whether their master lives.
        if named is not None and not _lives(int(named[1])):
            _remove_unused(folder)


def _places() -> list[Path]:
    """Where folders may be: that for temporary files, and shared memory. Never the current folder."""
    try:
        temporary = [Path(tempfile.gettempdir())]
    except FileNotFoundError:
        temporary = []
    # The standard library falls back to it, and it is the application's own.
    return [*(place for place in temporary if place != Path.cwd()), _SHARED_MEMORY]


def _remove_unused(folder: Path) -> bool:
    """Removes the folder unless a worker uses it. True if it is gone, or is another user's matter."""
    try:
        descriptor = _open(folder)
    except OSError:
        return True
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, folder):
                shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _is_at(descriptor: int, folder: Path) -> bool:
    """True if the opened folder still stands under this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), folder.lstat())
    except FileNotFoundError:
        return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
