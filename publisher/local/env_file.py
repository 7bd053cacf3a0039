"""The file `.publisher/env`: names the servers of a `publisher up`, for the commands that are started beside it.

The file holds lines that a shell reads as well, `. .publisher/env`: two, and three more if an SMTP server of `up` runs.
Its writer keeps it locked for as long as it runs, so that a reader knows a file that was left behind by a killed one.
"""

import errno
import fcntl
import os
import shlex
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from publisher.domain.errors import PublisherError, SettingsError

FOLDER = ".publisher"
NAME = "env"
VARIABLES = ("DATABASE_URL", "REDIS_URL")
OF_MAIL = ("PUBLISHER_SMTP_URL", "PUBLISHER_MAIL_FROM", "PUBLISHER_MAIL_TEMPLATES")
# More than these take.
_LONGEST = 65_536


def export_lines(environ: Mapping[str, str]) -> list[str]:
    """One line for each variable, as any POSIX shell reads it. Those of the mail service may be missing."""
    names = [*VARIABLES, *(name for name in OF_MAIL if name in environ)]
    return [f"export {name}={shlex.quote(environ[name])}" for name in names]


@contextmanager
def written_env_file(folder: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """Writes the file into this folder, for this user alone to read, and removes it at the end.

    Raises PublisherError if it cannot be written.
    """
    path = folder / NAME
    try:
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f"{NAME}.")
    except OSError as error:
        raise PublisherError(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # Locked before it has its name.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("".join(f"{line}\n" for line in export_lines(environ)))
        file.flush()
        Path(name).replace(path)
        try:
            yield
        finally:
            with suppress(FileNotFoundError):
                path.unlink()


def read_env_file(path: Path) -> dict[str, str] | None:
    """Returns the variables of the file. None if it is missing, or if its writer has ended.

    Raises SettingsError if somebody else could have written it, or if it does not name both servers.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = "it is a link" if error.errno == errno.ELOOP else f"it cannot be opened: {error.strerror}"
        raise _refused(path, reason) from error
    try:
        _check_owner(path, os.fstat(descriptor))
        return _variables(path, os.read(descriptor, _LONGEST).decode()) if _is_locked(path, descriptor) else None
    except UnicodeDecodeError as error:
        raise _refused(path, "it is not UTF-8") from error
    finally:
        os.close(descriptor)


def _check_owner(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _refused(path, "it is no file")
    if found.st_uid not in (os.geteuid(), 0):
        raise _refused(path, f"it belongs to user {found.st_uid}, not to you")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _refused(path, "other users may write it")


def _is_locked(path: Path, descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        raise _refused(path, f"whether `publisher up` runs cannot be told: {error.strerror}") from error
    return False


def _variables(path: Path, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise _refused(path, f"it cannot be read: {error}") from error
        pairs = (word.partition("=") for word in words)
        found |= {name: value for name, _, value in pairs if name in (*VARIABLES, *OF_MAIL) and value}
    if not all(value.isprintable() for value in found.values()):
        raise _refused(path, "it holds control characters")
    if missing := [name for name in VARIABLES if name not in found]:
        raise _refused(path, f"it does not set {' and '.join(missing)}")
    return found


def _refused(path: Path, reason: str) -> SettingsError:
    return SettingsError(f"{path} is not used: {reason}. Remove it, or set DATABASE_URL and REDIS_URL")
