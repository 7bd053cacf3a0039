"""How findings put durations, sizes and lists."""

from collections.abc import Sequence
from datetime import timedelta

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB")
# As many names as a line can hold.
_NAMED = 5


def span(duration: timedelta) -> str:
    """A duration in its two largest units: `1 d 4 h`, `3 min 20 s`, `1.5 s`, `0.4 ms`."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    rest, parts = int(seconds), []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def size(count: int) -> str:
    """A number of bytes: `512 bytes`, `1.5 GiB`."""
    amount, power = float(count), 0
    while amount >= 1024 and power < len(_SIZES) - 1:
        amount, power = amount / 1024, power + 1
    return f"{amount:.3g} {_SIZES[power]}"


def names(all_: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(all_[:_NAMED])
    return shown if len(all_) <= _NAMED else f"{shown} and {len(all_) - _NAMED:,} more"
