"""Words the command line that a button of the page equals."""

import shlex
from collections.abc import Mapping
from datetime import datetime

from publisher.domain.instants import readable


def command_line(command: str, options: Mapping[str, object], *flags: str) -> str:
    """Returns the line, quoted for a shell.

    options: by name, such as `--channel`. One whose value is None or blank is left out.
    flags: options without a value, which stand at the end.
    """
    given = [f"{name} {shlex.quote(_text(value))}" for name, value in options.items() if value not in (None, "")]
    return " ".join([command, *given, *flags])


def _text(value: object) -> str:
    return readable(value).replace(" ", "T") if isinstance(value, datetime) else str(value)
