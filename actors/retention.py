"""Prunes old records by message, and trims the streams by message or for `actors.middleware.trimmer`."""

from collections.abc import Callable
from datetime import timedelta
from itertools import islice

import dramatiq
import redis
import structlog

from actors.context import Context, context
from actors.queues import EACH_CHANNEL, ChannelActor
from actors.routes import as_hint
from publisher.domain.channel import Channel, StreamTrim
from publisher.domain.errors import PublisherError, RedisRefused
from publisher.domain.stream_address import StreamAddress
from publisher.operations.changes.prune import RECORDS, RecordKind, notification_batches, until
from publisher.streams.keys import retention_key
from publisher.streams.mutex import Mutex
from publisher.streams.servers.connection import translated
from publisher.streams.trimming import trim_acknowledged, trim_to_length
from publisher.streams.unread import note_unread
from storage.accepting.marks import read_mark

_log = structlog.get_logger()
# How often the scheduler sends it. A walk begins at most twice as often, whoever sends.
INTERVAL = timedelta(minutes=5)
# A stream that is trimmed to a length may grow by its ceiling within this time.
TRIM_INTERVAL = timedelta(seconds=30)
# Batches of one message: a few seconds of work, after which scans and publishing go on.
_BATCHES = 20
# A batch of a trim takes Redis a millisecond or two. A million entries each trim interval: more than are ever sent.
_TRIM_BATCHES = 100


# The message goes to each channel's queue, and the first worker does the work for all: so it is done as long as any
# channel has workers.
@dramatiq.actor(actor_class=ChannelActor, queue_name=EACH_CHANNEL)
def prune_notifications(channel: str, after: object = None) -> None:
    """Prunes notifications batch by batch, and sends itself again while there are more.

    after: the key where the message before ended, or None to begin. A message of the release before has an instant and
        an id (R15): it begins as well.
    """
    service = context()
    kept = service.retention.records
    place = after if isinstance(after, int) else None
    if kept is None or not _may_walk("notifications", begins=place is None):
        return
    notifications = routes = 0
    batches = until(service.stopping.is_set, notification_batches(service.database, kept, place))
    for pruned in islice(batches, _BATCHES):
        service.watchdog.beat()
        notifications, routes, place = notifications + pruned.notifications, routes + pruned.routes, pruned.last
    if notifications:
        _log.info("notifications were pruned", notifications=notifications, routes=routes)
    if place is not None:
        as_hint(_send, prune_notifications, channel, place)


@dramatiq.actor(actor_class=ChannelActor, queue_name=EACH_CHANNEL)
def prune_records(channel: str, again: bool = False) -> None:
    """Prunes old records of every kind but notifications, a bounded number of each.

    It sends itself again while there may be more: keys come as fast as notifications, thousands a second.
    again: this message goes on where one before it ended.
    """
    service = context()
    if not _may_walk("records", begins=not again):
        return
    more = [_prune(service, kind) for kind in RECORDS]
    if any(more):
        as_hint(_send, prune_records, channel, True)


@dramatiq.actor(actor_class=ChannelActor, queue_name=EACH_CHANNEL)
def trim_intents(channel: str) -> None:  # noqa: ARG001 - it says whose workers do it
    """Trims the streams of intents and of delivery events up to what every consumer group has acknowledged.

    A bounded number of entries of each, and each by itself: where Redis refuses the one, the other is trimmed all the
    same. It trims no intents while PostgreSQL is away or may have lost some, which then stand on the stream alone.
    """
    service = context()
    kept = service.retention
    if not (kept.intents or kept.events) or not _may_walk("intents", begins=True, interval=TRIM_INTERVAL):
        return
    if kept.events:
        _trim_read(service, "delivery events", service.events_stream, service.events_group, kept.events)
    if kept.intents:
        for stream in service.intents_streams:
            if read_mark(service.database, str(service.servers.location_of(stream))).is_settled:
                _trim_read(service, "intents", stream, service.intents_group, kept.intents)


def _trim_read(service: Context, what: str, stream: str, group: str, keep: timedelta) -> None:
    def trim() -> int:
        with translated():
            return trim_acknowledged(service.servers.of(stream), stream, group, keep)

    try:
        count, _ = _in_batches(service, trim, batches=_TRIM_BATCHES)
    except PublisherError as error:
        # The next trim comes soon: a retry of this one would be no earlier.
        _log.warning("a stream was not trimmed", stream=stream, error=error)
        return
    if count:
        _log.info(f"acknowledged {what} were trimmed", stream=stream, entries=count)


@dramatiq.actor(actor_class=ChannelActor, queue_name=EACH_CHANNEL)
def trim_commands(channel: str) -> None:
    """Trims the channel's stream as its settings say, and counts unread entries for the append script (R13).

    Only a scheduler of an earlier release sends this message.
    """
    service = context()
    if not _may_walk(f"commands:{channel}", begins=True, interval=TRIM_INTERVAL):
        return
    for part in service.channels[channel].streams:
        try:
            _trim_part(service, service.channels[channel], part)
        except PublisherError as error:
            # The next trim comes soon: a retry of this one would be no earlier.
            _log.warning("a stream was not trimmed", channel=channel, stream=part.stream, error=error)


def _trim_part(service: Context, channel: Channel, part: StreamAddress) -> None:
    """Trims the stream of the channel, or one of its partitions."""
    client = service.servers.of(str(part))
    if trim := _trim_of(channel, part.stream, client):
        count, _ = _in_batches(service, trim, batches=_TRIM_BATCHES)
        if count:
            told = {"channel": channel.name, "stream": part.stream, "entries": count, "trim": channel.stream_trim}
            _log.info("commands were trimmed", **told)
    if channel.holds_back_at:
        note_unread(client, part.stream, at_most=channel.holds_back_at, fresh_for=TRIM_INTERVAL * 3)


def _trim_of(channel: Channel, stream: str, client: redis.Redis) -> Callable[[], int] | None:
    """Returns a function that trims a bounded part of the channel's stream, or None if it is not to be trimmed."""
    if channel.stream_trim is StreamTrim.ACKNOWLEDGED and channel.stream_retention:
        return lambda: trim_acknowledged(client, stream, None, channel.stream_retention)
    if channel.stream_trim is StreamTrim.LENGTH and channel.stream_ceiling:
        return lambda: trim_to_length(client, stream, channel.stream_ceiling)
    return None


def send_retention(channel: str) -> None:
    """Enqueues pruning and trimming. Messages that wait too long are dropped. Raises as `send_scan`."""
    for actor in (prune_notifications, prune_records, trim_intents):
        _send(actor, channel)


def _send(actor: dramatiq.Actor[..., None], *args: object) -> None:
    with translated():
        actor.send_with_options(args=args, max_age=round(INTERVAL.total_seconds() * 1000))


def _prune(service: Context, kind: RecordKind) -> bool:
    """Prunes one message's share of such records. Returns whether there may be more."""
    kept = kind.kept(service.retention)
    if kept is None:
        return False
    count, more = _in_batches(service, lambda: kind.prune(service.database, kept), _BATCHES)
    if count:
        _log.info(f"{kind.title} were pruned", count=count)
    return more


def _in_batches(service: Context, remove: Callable[[], int], batches: int) -> tuple[int, bool]:
    """Removes until nothing is left, one message's share is done, or the process is told to stop.

    Returns how many, and whether there may be more.
    """
    count = 0
    for _ in range(batches):
        if service.stopping.is_set():
            break
        removed = remove()
        service.watchdog.beat()
        count += removed
        if not removed:
            return count, False
    return count, True


def _may_walk(what: str, *, begins: bool, interval: timedelta = INTERVAL) -> bool:
    """True, for one caller, if nobody began this within half an interval; a walk that goes on is always allowed.

    Where Redis is full and writes nothing, every caller may begin: trimming makes room, and two walks share the work.
    Raises RedisUnavailable.
    """
    mutex = Mutex(context().redis, retention_key)
    try:
        if begins:
            return mutex.acquire(what, interval / 2)
        mutex.extend(what, interval / 2)
    except RedisRefused:
        pass
    return True
