"""Ends routes without a command so that none can follow: a tombstone in the place of the witness (R12).

A worker that was paused between its claim and its append, longer than its lease, appends late: to a route that has
expired or become a dead letter meanwhile. The tombstone tells its append. Where the look finds that the command stands
already, the route is published.
"""

from collections.abc import Sequence

import structlog

from publisher.domain.attempt import Expired, Published, after_deadline
from publisher.domain.errors import PublisherError
from publisher.domain.notification import Route
from publisher.publishing.batch import Batch
from publisher.streams.append_result import EXPIRED, dead
from publisher.streams.outbound import OutboundStreams, WitnessOf

_log = structlog.get_logger()


def end_overdue(streams: OutboundStreams, today: str, routes: Sequence[Route]) -> list[Published | Expired]:
    """What becomes of each of these routes, whose deadline has passed; those that expire have a tombstone.

    today: the stream of their channel. Raises RedisUnavailable or RedisRefused.
    """
    entries = streams.end([_of(route, route.stream or today) for route in routes], [EXPIRED] * len(routes))
    return [after_deadline(route, entry_id) for route, entry_id in zip(routes, entries, strict=True)]


def end_dead_letters(streams: OutboundStreams, batch: Batch) -> None:
    """Leaves a tombstone for each dead letter of the batch. One whose command stands is published instead.

    The tombstone says which life of the route has ended: after a requeue it holds nothing back. Best effort.
    """
    # Its command may stand on the stream of an earlier attempt as well.
    asked = [
        (dead_letter, stream)
        for dead_letter in batch.dead_lettered
        for stream in dict.fromkeys((dead_letter.route.stream or batch.channel.stream, batch.channel.stream))
    ]
    try:
        entries = streams.end(
            [_of(dead_letter.route, stream) for dead_letter, stream in asked],
            [dead(dead_letter.route.requeues) for dead_letter, _ in asked],
        )
    except PublisherError as error:
        _log.warning("dead letters have no tombstones", channel=batch.channel.name, error=str(error))
        return
    for (dead_letter, _), entry_id in zip(asked, entries, strict=True):
        if entry_id is not None and dead_letter in batch.dead_lettered:
            batch.dead_lettered.remove(dead_letter)
            batch.published.append(Published(dead_letter.route, entry_id))


def _of(route: Route, stream: str) -> WitnessOf:
    return stream, route.delivery_id, route.replay
