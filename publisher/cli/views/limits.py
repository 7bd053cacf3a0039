"""Prints the rate limits of channels as a table."""

from collections.abc import Iterable

from publisher.cli.terminal.output import print_table
from publisher.operations.channels.limits import ChannelLimit, LimitOrigin
from publisher.operations.channels.limits_wording import used


def print_limits(limits: Iterable[ChannelLimit]) -> None:
    """Prints a row for each channel that has a rate limit, or none by an operator's wish; nothing if there is none."""
    rows = [
        [each.channel, _rate(each), each.limit and each.limit.burst, used(each), _origin(each), each.at]
        for each in limits
    ]
    if rows:
        print()
        print_table("Rate limits", ["channel", "limit", "burst", "used", "set by", "since"], rows, numeric=["used"])


def _rate(limit: ChannelLimit) -> str:
    return "none" if limit.limit is None else limit.limit.rate


def _origin(limit: ChannelLimit) -> str:
    return limit.by or "" if limit.origin is LimitOrigin.OPERATOR else "the settings"
