"""The rate limits of channels: which one holds, who set it, how much of it is used; and setting one (R30, R34)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from publisher.domain.channel import Channel
from publisher.domain.errors import BadRequest
from publisher.domain.rate_limit import RateLimit, parse_rate
from publisher.operations.changes.audited import audited
from storage import limits
from storage.actions import advance_action
from storage.counts.counts import open_routes
from storage.counts.rates import WINDOW, before, happened_between, mark
from storage.database import Database

# Workers that use this share of a rate limit keep up: the limit is what makes routes wait.
_USED = 0.8
# Commands a second: fewer are not there in each of the windows in which they are counted.
_TOO_SLOW_TO_TELL = 0.5


class LimitOrigin(StrEnum):
    """Whose limit holds: what an operator has set is stronger than the settings."""

    OPERATOR = "operator"
    SETTING = "setting"


@dataclass(frozen=True, slots=True)
class ChannelLimit:
    """The limit that holds for a channel.

    limit: None: it has none.
    by, at: who set it and when; None for one of the settings.
    published: commands a second, over the last seconds. None: they were not counted.
    """

    channel: str
    limit: RateLimit | None = None
    origin: LimitOrigin = LimitOrigin.SETTING
    by: str | None = None
    at: datetime | None = None
    published: float | None = None

    @property
    def used(self) -> float | None:
        """The share of the rate that is used: 1 for all of it, and for a burst, which is more for a while.

        None: there is no limit, nobody has counted, or the rate is too slow to tell.
        """
        if self.limit is None or self.published is None or self.limit.per_second < _TOO_SLOW_TO_TELL:
            return None
        return min(1.0, self.published / self.limit.per_second)

    @property
    def slows(self) -> bool:
        """True if the limit is what makes routes wait: workers use it up, as far as anybody can tell."""
        if self.limit is None:
            return False
        return (self.used or 0) >= _USED or self.limit.per_second < _TOO_SLOW_TO_TELL


def channel_limits(database: Database, installed: Mapping[str, Channel]) -> dict[str, ChannelLimit]:
    """Returns the limit of each channel for which an operator or the settings say something."""
    found = {name: ChannelLimit(name, channel.rate) for name, channel in installed.items() if channel.rate is not None}
    for name, by_operator in limits.read_limits(database).items():
        found[name] = ChannelLimit(name, by_operator.limit, LimitOrigin.OPERATOR, by_operator.by, by_operator.at)
    return found


def with_use(database: Database, known: Mapping[str, ChannelLimit]) -> dict[str, ChannelLimit]:
    """Returns these limits with what was published lately. Asks nothing where no channel has a limit."""
    limited = [name for name, each in known.items() if each.limit is not None]
    if not limited:
        return dict(known)
    last = mark(database)
    happened = happened_between(database, before(last), last, limited)
    return dict(known) | {
        name: replace(
            known[name], published=happened[name].published / WINDOW.total_seconds() if name in happened else 0.0
        )
        for name in limited
    }


def wanted_limit(rate: str, burst: int | None) -> RateLimit:
    """Returns the limit that an operator has written: a rate, such as 14/s. Raises BadRequest if it is none."""
    try:
        return parse_rate(rate, burst)
    except ValueError as error:
        raise BadRequest(f"the rate {rate!r} {error}") from error


def limit_channel(
    database: Database, channel: Channel, limit: RateLimit | None, by: str, *, default: bool = False
) -> ChannelLimit:
    """Sets the channel's limit, which holds for every claim that begins from now on. Returns what holds then.

    limit: None: no limit, whatever the settings say.
    default: takes an operator's limit away instead, so that that of the settings holds.
    """
    was = limit_of(database, channel)
    wanted = "default" if default else str(limit or "none")
    target = {"channel": channel.name, "limit": wanted, "was": str(was.limit or "none")}
    with audited(database, "limit-channel", by, target) as action:
        if default:
            changed = limits.clear_limit(database, channel.name)
        else:
            changed = limits.set_limit(database, channel.name, limit, by)
        advance_action(database, action.id, int(changed))
    return limit_of(database, channel)


def routes_due(database: Database, channel: str) -> int:
    """Returns how many routes of the channel could be claimed now, but for its rate limit."""
    found = open_routes(database).get(channel)
    return found.due if found else 0


def limit_of(database: Database, channel: Channel) -> ChannelLimit:
    """Returns the limit that holds for this channel."""
    return channel_limits(database, {channel.name: channel}).get(channel.name, ChannelLimit(channel.name))


def limit_fields(limit: ChannelLimit | None) -> dict[str, object] | None:
    """The fields of a limit, by the names that --json prints. None: nobody has set one."""
    if limit is None:
        return None
    return {
        "per_second": limit.limit and limit.limit.per_second,
        "burst": limit.limit and limit.limit.burst,
        "origin": limit.origin,
        "set_by": limit.by,
        "set_at": limit.at,
        "published_per_second": None if limit.published is None else round(limit.published, 3),
        "used": None if limit.used is None else round(limit.used, 3),
    }
