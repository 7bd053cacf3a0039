"""Looks for commands that an earlier attempt appended before the channel's stream was renamed (R12).

An attempt that was cut off after its append leaves a command of which only the witness tells. The witness belongs to
the stream that the channel had then, and the route keeps that stream's name (see `storage.leases`). Nearly all routes
have the channel's own stream: they cost nothing here.
"""

from publisher.domain.errors import RedisRefused, RedisUnavailable
from publisher.domain.notification import Route
from publisher.publishing.batch import Batch
from publisher.streams.append_result import Appended, NotAppended
from publisher.streams.outbound import Delivery, OutboundStreams
from storage import leases
from storage.database import Database

Deliveries = list[tuple[Route, Delivery]]


def settle_on_earlier_streams(
    database: Database, streams: OutboundStreams, batch: Batch, deliveries: Deliveries
) -> tuple[list[tuple[Route, Appended | NotAppended]], Deliveries]:
    """Splits the deliveries into those that have a result, and those that are to be appended to the channel's stream.

    A delivery whose command stands on its route's earlier stream has that entry as its result. Redis unreachable at
    that look is the result of an append that did not reach it (R7). A route whose lease is lost is in neither part.
    Raises DatabaseUnavailable.
    """
    today = batch.channel.address
    earlier = [(route, delivery) for route, delivery in deliveries if route.stream not in (None, today)]
    if not earlier:
        return [], deliveries
    try:
        entries = streams.renewed_witnesses(
            [(route.stream or today, route.delivery_id, route.replay) for route, _ in earlier]
        )
    except (RedisUnavailable, RedisRefused) as error:
        unreachable = isinstance(error, RedisUnavailable)
        refusal = NotAppended(str(error), channels_fault=True, unreachable=unreachable)
        unsettled = {route.id for route, _ in earlier}
        return [(route, refusal) for route, _ in earlier], _without(deliveries, unsettled)
    standing = {
        route.id: Appended(entry_id, first=False)
        for (route, _), entry_id in zip(earlier, entries, strict=True)
        if entry_id is not None
    }
    absent = [route.id for route, _ in earlier if route.id not in standing]
    moved = leases.move_to_stream(database, batch.claim.token, absent, today) if absent else set()
    return (
        [(route, standing[route.id]) for route, _ in earlier if route.id in standing],
        _without(deliveries, {*standing, *absent} - moved),
    )


def _without(deliveries: Deliveries, ids: set[int]) -> Deliveries:
    return [(route, delivery) for route, delivery in deliveries if route.id not in ids]
