"""Reads what the readers of the streams have done with the commands of published routes (R27)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from publisher.domain.errors import PublisherError, RedisRefused, RedisUnavailable
from publisher.domain.notification import RouteStatus
from publisher.domain.stream_address import read_address
from publisher.operations.ids.forms import is_entry_id
from publisher.operations.trace.command_outcome import command_outcome
from publisher.operations.trace.route_history import NotificationHistory, RouteHistory
from publisher.streams.standing import EntryStanding, find_entries
from publisher.streams.unread import Limit

if TYPE_CHECKING:
    from publisher.streams.servers.stream_servers import StreamServers

# Of the unread entries before a command so many are counted, and for so long for all commands together.
_COUNTED = 10_000
_PATIENCE = timedelta(milliseconds=500)

_Found = Mapping[str, EntryStanding] | PublisherError


def with_commands(
    histories: Sequence[NotificationHistory], connect: "Callable[[], StreamServers]"
) -> Sequence[NotificationHistory]:
    """Returns the histories with what became of the command of each published route. Raises nothing that Redis causes.

    connect: returns the Redis of every stream; called only if a route is published. An error stands in the place of
        what could not be read, and hides nothing else (R35).
    """
    wanted: dict[str, list[str]] = {}
    for history in histories:
        for each in history.routes:
            stream, entry_id = _where(each)
            if stream is not None and entry_id is not None and is_entry_id(entry_id):
                wanted.setdefault(stream, []).append(entry_id)
    found = _find(wanted, connect) if wanted else {}
    return [replace(history, routes=[_with(each, found) for each in history.routes]) for history in histories]


def _find(wanted: Mapping[str, Sequence[str]], connect: "Callable[[], StreamServers]") -> Mapping[str, _Found]:
    limit, found = Limit.of(_COUNTED, _PATIENCE), dict[str, _Found]()
    # By server: its other streams would wait for it as long.
    away: dict[str, RedisUnavailable] = {}
    for address, ids in wanted.items():
        try:
            found[address] = _on(connect(), address, ids, limit, away)
        except (RedisUnavailable, RedisRefused) as error:
            found[address] = error
    return found


def _on(
    servers: "StreamServers", address: str, ids: Sequence[str], limit: Limit, away: dict[str, RedisUnavailable]
) -> Mapping[str, EntryStanding]:
    """Finds entries of one stream. away: the servers that did not answer, to which it adds this one if it does not."""
    place = servers.place_of(address)
    if place in away:
        raise away[place]
    try:
        return find_entries(servers.of(address), read_address(address).stream, list(dict.fromkeys(ids)), limit)
    except RedisUnavailable as error:
        away[place] = error
        raise


def _with(each: RouteHistory, found: Mapping[str, _Found]) -> RouteHistory:
    if each.route.status is not RouteStatus.PUBLISHED:
        return each
    stream, entry_id = _where(each)
    standings = found.get(stream or "", {})
    standing = standings if isinstance(standings, PublisherError) else standings.get(entry_id or "")
    return replace(each, command=command_outcome(stream, entry_id, standing))


def _where(each: RouteHistory) -> tuple[str | None, str | None]:
    """Returns the stream and the entry of the route's command; None for what is not known, or if there is none."""
    if each.route.status is not RouteStatus.PUBLISHED:
        return None, None
    return each.route.stream or each.stream, each.route.stream_entry_id
