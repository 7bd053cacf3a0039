"""Decides whether text may have colours."""

import os
from collections.abc import Mapping


def has_colours(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Whether text written there may have colours: on a terminal, or wherever FORCE_COLOR is set.

    Nowhere if NO_COLOR is set, or if the terminal shows none (TERM=dumb).
    """
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return bool(environ.get("FORCE_COLOR")) or os.isatty(descriptor)
