"""Words the rate limits of channels: as a table, as lines for `status --watch`, and in a sentence."""

from collections.abc import Iterable

from publisher.cli.output import one_line, print_table
from publisher.operations.channel_limits import ChannelLimit, LimitOrigin


def print_limits(limits: Iterable[ChannelLimit]) -> None:
    """Prints a row for each channel that has a rate limit, or none by an operator's wish; nothing if there is none."""
    rows = [
        [each.channel, _rate(each), each.limit and each.limit.burst, _used(each), _origin(each), each.at]
        for each in limits
    ]
    if rows:
        print()
        print_table("Rate limits", ["channel", "limit", "burst", "used", "set by", "since"], rows, numeric=["used"])


def limit_line(limit: ChannelLimit) -> str:
    """Words the limit for one line: `email 14/s burst 28, 93% used, set by ann`."""
    used = "" if limit.used is None else f", {_used(limit)} used"
    return one_line(f"{limit.channel} {limit.limit or 'none'}{used}, {_set_by(limit)}")


def said(limit: ChannelLimit, *, already: bool = False) -> str:
    """Says which limit holds: `email is limited to 14/s burst 28, set by ann`. already: as was wanted."""
    holds = "has no rate limit" if limit.limit is None else f"is limited to {limit.limit}"
    return one_line(f"{limit.channel} {holds}{' already' if already else ''}, {_set_by(limit)}")


def _rate(limit: ChannelLimit) -> str:
    return "none" if limit.limit is None else limit.limit.rate


def _used(limit: ChannelLimit) -> str | None:
    return None if limit.used is None else f"{limit.used:.0%}"


def _origin(limit: ChannelLimit) -> str:
    return limit.by or "" if limit.origin is LimitOrigin.OPERATOR else "the settings"


def _set_by(limit: ChannelLimit) -> str:
    return f"set by {limit.by}" if limit.origin is LimitOrigin.OPERATOR else "by the settings"
