"""Durations, sizes and lists of names in words."""

from collections.abc import Sequence
from datetime import timedelta

from publisher.domain.durations import span, two_largest

__all__ = ["coarse", "names", "short", "size", "span"]

# Units as narrow tables have them.
_SHORT = ("d", "h", "m", "s")
_SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB")
# As many names as a line can hold.
_NAMED = 5


def short(duration: timedelta) -> str:
    """Words a duration for a table, in its two largest units: `1d 4h`, `3m 20s`, `0.250s`."""
    seconds = duration.total_seconds()
    return f"{seconds:.3f}s" if seconds < 10 else two_largest(seconds, _SHORT)


def coarse(duration: timedelta) -> str:
    """Words a duration for a table in whole seconds or more: `3s`, `12m 3s`. A negative one, of clocks that differ,
    is `0s`."""
    return two_largest(max(0, duration.total_seconds()), _SHORT)


def size(count: int) -> str:
    """Words a number of bytes: `512 bytes`, `1.5 GiB`."""
    amount, power = float(count), 0
    while amount >= 1024 and power < len(_SIZES) - 1:
        amount, power = amount / 1024, power + 1
    return f"{amount:.3g} {_SIZES[power]}"


def names(all_: Sequence[str]) -> str:
    """Lists the first few names, and says how many more there are."""
    shown = ", ".join(all_[:_NAMED])
    return shown if len(all_) <= _NAMED else f"{shown} and {len(all_) - _NAMED:,} more"
