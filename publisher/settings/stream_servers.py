"""The Redis of each stream that has one of its own, read from PUBLISHER_<CHANNEL>_REDIS_URL and its like (R37)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from publisher.domain.channel import Channel
from publisher.domain.errors import SettingsError
from publisher.domain.stream_address import BEFORE_SERVER
from publisher.settings.connection_url import ConnectionUrl, read_stream_redis_url
from publisher.settings.types import PREFIX, without_blanks

INTENTS, EVENTS = f"{PREFIX}INTENTS_REDIS_URL", f"{PREFIX}EVENTS_REDIS_URL"
_FIELD = "redis_url"


@dataclass(frozen=True, slots=True)
class StreamRedis:
    """A Redis that has streams, and is not that of REDIS_URL.

    variable: the first that names it.
    """

    url: ConnectionUrl
    variable: str


def stream_server_variables(channels: Iterable[Channel]) -> list[str]:
    """Returns the variables that name the Redis of a stream."""
    return [INTENTS, EVENTS, *(channel.variable(_FIELD) for channel in channels)]


def read_stream_servers(
    environ: Mapping[str, str], channels: Iterable[Channel], default: ConnectionUrl
) -> tuple[dict[str, StreamRedis], list[str]]:
    """Returns the Redis of each variable that names another one than REDIS_URL, and what is wrong with the others.

    default: the URL of REDIS_URL.
    """
    said, found, problems = without_blanks(environ), dict[str, StreamRedis](), list[str]()
    for variable in stream_server_variables(channels):
        if variable not in said:
            continue
        try:
            url = read_stream_redis_url(said[variable], variable)
        except SettingsError as error:
            problems.append(str(error))
            continue
        if BEFORE_SERVER in url.shown:
            problems.append(f"{variable} must have no ' @ ' in its path: routes remember where it is by that")
            continue
        same = next((other for other in found.values() if other.url.shown == url.shown), None)
        if url.shown == default.shown:
            if url.text != default.text:
                problems.append(f"{variable} and REDIS_URL name one Redis, and must be written alike, with one login")
        elif same is not None and same.url.text != url.text:
            problems.append(f"{variable} and {same.variable} name one Redis, and must be written alike, with one login")
        else:
            found[variable] = same or StreamRedis(url, variable)
    return found, problems


def place_of(servers: Mapping[str, StreamRedis], variable: str) -> str:
    """Returns where the Redis of this variable is, as addresses say it; blank: it is that of REDIS_URL."""
    return servers[variable].url.shown if variable in servers else ""


def on_own_server(channel: Channel, servers: Mapping[str, StreamRedis]) -> Channel:
    """Returns the channel with the Redis of its stream. servers: by variable."""
    own = servers.get(channel.variable(_FIELD))
    return channel if own is None else replace(channel, server=own.url.shown)
