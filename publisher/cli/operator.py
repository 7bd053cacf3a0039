"""The operator's name, recorded with every change."""

import getpass
import os
from typing import Annotated

import typer

ByOption = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="NAME", help="Who makes the change, for the record. Without it, the user of this process."
    ),
]


def operator(by: str | None) -> str:
    """Returns the given name, or else the name of this process's user."""
    if by is not None and by.strip():
        return by.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return f"user {os.getuid()}"
