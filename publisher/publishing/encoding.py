"""Encodes the routes of a batch as commands. A route that cannot be one has its outcome decided (R6, R7, R11)."""

from collections.abc import Callable

from publisher.domain.attempt import PAYLOAD_ENCODING_FAILED, Failure, after_lost_leases
from publisher.domain.errors import EncodingError
from publisher.publishing.batch import Batch
from publisher.publishing.earlier_streams import Deliveries
from publisher.publishing.recorder import Decide
from publisher.publishing.tracing import carrying
from publisher.streams.outbound import Delivery


def encode(batch: Batch, decide: Decide, is_in_time: Callable[[], bool]) -> Deliveries:
    """Returns the deliveries to append. A route that cannot be one has its outcome decided.

    Where encoding takes long, the batch is cut short: the routes that are not reached in time have no outcome.
    is_in_time: asked before each route but those before the first delivery.
    """
    deliveries: Deliveries = []
    for claimed in batch.claim.routes:
        if deliveries and not is_in_time():
            batch.is_cut_short = True
            break
        route, notification = claimed.route, claimed.notification
        if notification is None:
            batch.errors.append(f"route {route.id}, {route.route_id}, has no notification")
        elif dead := after_lost_leases(route):
            batch.outcomes.append(dead)
        else:
            try:
                command = carrying(batch.channel.command(notification, route), batch.contexts.get(route.id))
                deliveries.append((route, Delivery(route.delivery_id, command, route.replay, route.requeues)))
            except EncodingError as error:
                batch.outcomes.append(decide(route, Failure.of(PAYLOAD_ENCODING_FAILED, str(error))))
    return deliveries
