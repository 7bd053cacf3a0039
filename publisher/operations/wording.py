"""Durations, sizes and lists of names in words."""

from collections.abc import Sequence
from datetime import timedelta

_SECONDS = (86_400, 3_600, 60, 1)
# Units as sentences spell them, and as narrow tables do.
_SPELLED, _SHORT = (" d", " h", " min", " s"), ("d", "h", "m", "s")
_SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB")
# As many names as a line can hold.
_NAMED = 5


def span(duration: timedelta) -> str:
    """Words a duration for a sentence, in its two largest units: `1 d 4 h`, `3 min 20 s`, `1.5 s`, `0.4 ms`."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    return _two_largest(seconds, _SPELLED)


def short(duration: timedelta) -> str:
    """Words a duration for a table, in its two largest units: `1d 4h`, `3m 20s`, `0.250s`."""
    seconds = duration.total_seconds()
    return f"{seconds:.3f}s" if seconds < 10 else _two_largest(seconds, _SHORT)


def coarse(duration: timedelta) -> str:
    """Words a duration for a table in whole seconds or more: `3s`, `12m 3s`. A negative one, of clocks that differ,
    is `0s`."""
    return _two_largest(max(0, duration.total_seconds()), _SHORT)


def _two_largest(seconds: float, names: Sequence[str]) -> str:
    rest, parts = int(seconds), []
    for name, unit in zip(names, _SECONDS, strict=True):
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}")
    return " ".join(parts[:2]) or f"0{names[-1]}"


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
