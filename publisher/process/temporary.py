"""The folder for temporary files, or an error that says what to set: a container's root may be read-only."""

import tempfile
from pathlib import Path

from publisher.domain.errors import SettingsError


def temporary_folder() -> Path:
    """Returns a folder that can be written: that of TMPDIR, or the system's. Raises SettingsError if there is none."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise SettingsError(
            "no folder for temporary files can be written: set TMPDIR to one, or mount one at /tmp"
        ) from error
