"""Reads the settings from the environment, once a process.

Where neither server is set, both are those of a `publisher up` that runs in this folder.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from publisher.channels.registry import discover_channels
from publisher.domain.errors import SettingsError
from publisher.settings.settings import Settings

_FOLDER = Path(".publisher")
_TO_BE_STARTED = {"DATABASE_URL": "postgresql://localhost/to-be-started", "REDIS_URL": "redis://localhost"}


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings of this process and finds every channel that is installed.

    environ: the variables; None for those of this process, and of `publisher up` in this folder if they name no server.
        The first use of that is said in a line on standard error.
    Raises SettingsError.
    """
    return Settings.from_environ(_environ() if environ is None else environ, discover_channels())


def check_settings(environ: Mapping[str, str]) -> Settings:
    """Reads the settings of an environment whose two servers are still to be started.

    Stand-ins take the place of a URL that is not set. Raises SettingsError.
    """
    return load_settings(_TO_BE_STARTED | {name: text for name, text in environ.items() if text.strip()})


def names_no_server() -> bool:
    """Whether neither server is set, and no `publisher up` was started in this folder yet."""
    return not _is_one_set() and not _FOLDER.is_dir()


def environ_beside_up() -> Mapping[str, str]:
    """Returns the variables of this process, and, if they name no server, those of a `publisher up` in this folder.

    For a command that needs no server: where no `publisher up` runs, that is no error.
    Raises SettingsError if the file of one that runs is not to be trusted.
    """
    if not _is_one_set() and _FOLDER.is_dir():
        _take_over_up()
    return os.environ


def _is_one_set() -> bool:
    return any(os.environ.get(name, "").strip() for name in ("DATABASE_URL", "REDIS_URL"))


def _environ() -> Mapping[str, str]:
    if _is_one_set() or not _FOLDER.is_dir():
        return os.environ
    if not _take_over_up():
        raise SettingsError(
            "DATABASE_URL and REDIS_URL are not set, and `publisher up` is not running in this folder:"
            " start it, or set both"
        )
    return os.environ


def _take_over_up() -> bool:
    """Takes over the variables of the `publisher up` that runs in this folder, and says so. False if none runs."""
    from publisher.local.env_file import read_env_file

    path = _FOLDER / "env"
    found = read_env_file(path)
    if found is None:
        return False
    with suppress(OSError):
        # Not sys.stderr: in a worker that is Dramatiq's pipe to its master.
        os.write(2, f"publisher: using the servers of {path}\n".encode())
    # What this process starts, and what it reads later, finds them without another word.
    # A variable of the mail service that this process was given counts.
    os.environ.update({name: text for name, text in found.items() if not os.environ.get(name, "").strip()})
    return True
