"""Carries out the remedy of one route, channel or hold, as its command line does (R34)."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from publisher.domain.errors import BadRequest, NotFound
from publisher.operations import held
from publisher.operations.changes import bulk
from publisher.operations.changes.bulk import Change, Hooks
from publisher.operations.changes.discard import plan_discard
from publisher.operations.changes.republish import PublishedFilter, plan_republish
from publisher.operations.changes.requeue import DeadLetterFilter, plan_requeue
from publisher.operations.channels import channels
from publisher.operations.held import HeldFilter, SettledAs
from publisher.operations.holds import holds
from publisher.operations.ids.resolution import Named, NamedKind, of_kind
from publisher.operations.names import installed_channel
from publisher.operations.remedy.remedy import Remedy
from publisher.settings.settings import Settings
from storage.database import Database

# Counts what is to be changed of one route: given the database, the settings, the route and the operator.
_Plan = Callable[[Database, Settings, Named, str], Change]
_PLANS: Mapping[Remedy, _Plan] = {
    Remedy.REPUBLISH: lambda database, settings, route, by: plan_republish(
        database, settings, PublishedFilter(notification_id=route.notification_id, route_id=route.route_id), by
    ),
    Remedy.REQUEUE: lambda database, settings, route, by: plan_requeue(
        database, settings, DeadLetterFilter(notification_id=route.notification_id, route_id=route.route_id), by
    ),
    Remedy.DISCARD: lambda database, settings, route, by: plan_discard(
        database, settings, DeadLetterFilter(notification_id=route.notification_id, route_id=route.route_id), by
    ),
    Remedy.SEND_HELD: lambda database, _, route, by: held.plan_send(
        database, HeldFilter(route.notification_id, route.route_id), by
    ),
    Remedy.SETTLE_HELD: lambda database, _, route, by: held.plan_settle(
        database, HeldFilter(route.notification_id, route.route_id), SettledAs.ACCEPTED, by
    ),
}
# The remedies that change one route.
OF_A_ROUTE = frozenset(_PLANS)
# Every remedy that changes something here; the others are for reading, or need what is not at hand.
CHANGING = OF_A_ROUTE | {Remedy.RESUME_CHANNEL, Remedy.REMOVE_HOLD}


def carry_out_remedy(
    database: Database, settings: Settings, remedy: Remedy, about: str, by: str, wake: Callable[[str], bool]
) -> int | None:
    """Carries out one of the remedies of `CHANGING`, and wakes the workers of what is due by it.

    Returns the id of the action of a route's remedy; None for a channel's and a hold's, whose own state tells the end.

    about: `route:NUMBER`, the name of a channel, or the number of a hold. by: the operator.
    wake: tells the workers of a channel that routes of it are due; False if it could not.
    Raises NotFound if there is no such thing, BadRequest if the remedy helps it no more, and what PostgreSQL causes.
    """
    if remedy is Remedy.RESUME_CHANNEL:
        channels.resume(database, installed_channel(settings, about), by)
        wake(about)
        return None
    if remedy is Remedy.REMOVE_HOLD:
        removed = holds.remove(database, _number(about, "hold"), by)
        for channel in holds.channels_of(settings, removed):
            wake(channel)
        return None
    if remedy not in _PLANS:
        raise BadRequest(f"{remedy.value} changes nothing by itself")
    change = _PLANS[remedy](database, settings, _route(database, about), by)
    if not change.matched:
        raise BadRequest("nothing was changed: the route is not as it was shown any more, or its deadline has passed")
    ended = bulk.carry_out(database, change, None, Hooks(lambda _: None, _never, wake))
    if ended.error is not None:
        raise ended.error
    return ended.action


def _route(database: Database, about: str) -> Named:
    number = _number(about.removeprefix("route:"), "route")
    for found in of_kind(database, f"route:{number}", NamedKind.ROUTE):
        return found
    raise NotFound(f"there is no route {number}")


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise BadRequest(f"{text!r} is no number of a {what}")
    return int(text)


def _never(_: timedelta) -> bool:
    return False
