"""Words the rate limits of channels. The terminal and the page show the same (R30)."""

from publisher.operations.channels.limits import ChannelLimit, LimitOrigin
from publisher.operations.wording import one_line


def limit_line(limit: ChannelLimit) -> str:
    """Words the limit for one line: `email 14/s burst 28, 93% used, set by ann`."""
    share = "" if limit.used is None else f", {used(limit)} used"
    return one_line(f"{limit.channel} {limit.limit or 'none'}{share}, {_set_by(limit)}")


def said(limit: ChannelLimit, *, already: bool = False) -> str:
    """Says which limit holds: `email is limited to 14/s burst 28, set by ann`. already: as was wanted."""
    holds = "has no rate limit" if limit.limit is None else f"is limited to {limit.limit}"
    return one_line(f"{limit.channel} {holds}{' already' if already else ''}, {_set_by(limit)}")


def used(limit: ChannelLimit) -> str | None:
    """Words the share of the limit that is used: `93%`; None: nobody can tell."""
    return None if limit.used is None else f"{limit.used:.0%}"


def _set_by(limit: ChannelLimit) -> str:
    return f"set by {limit.by}" if limit.origin is LimitOrigin.OPERATOR else "by the settings"
