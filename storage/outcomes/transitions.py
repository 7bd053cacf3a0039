"""The transition table in SQL: a statement that changes a route's status names the event that it records (R3)."""

from publisher.domain.notification import TRANSITIONS, RouteEvent


def allowing(event: RouteEvent) -> str:
    """Returns the condition that the event can happen to a route in `routes`, whatever status it has."""
    statuses = [f"'{status}'" for status, possible in TRANSITIONS if possible is event]
    return f"routes.status IN ({', '.join(statuses)})" if len(statuses) > 1 else f"routes.status = {statuses[0]}"


def following(event: RouteEvent) -> str:
    """Returns the assignment of the status that a route has after the event."""
    [status] = {after for (_, possible), after in TRANSITIONS.items() if possible is event}
    return f"status = '{status}'"
