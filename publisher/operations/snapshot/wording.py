"""Words what a snapshot says of streams and processes. The terminal and the page show the same."""

from collections.abc import Sequence

from publisher.operations.channels.readers_wording import unread_of
from publisher.operations.wording import figure, many
from publisher.streams.groups import Group
from publisher.streams.heartbeats import ProcessSeen

# Without one of these nothing goes on.
_ROLES = ("worker", "clock", "intake")


def roles(processes: Sequence[ProcessSeen]) -> str:
    """Counts the processes of each role that live, and names a role that has none: `2 workers, 1 clock, no intake`."""
    alive = [seen.process.role for seen in processes if not seen.is_silent]
    known = [*_ROLES, *sorted({*alive} - {*_ROLES})]
    return ", ".join(many(alive.count(role), role) for role in known)


def intents_line(intents: Group | None) -> str:
    """Words how many intents wait, and how many are being accepted. None: that could not be read."""
    if intents is None:
        return "could not be read"
    bound = "at least " if intents.is_bound else ""
    waiting, pending = f"{bound}{figure(intents.unread)}", figure(intents.pending)
    return f"{waiting} waiting, {pending} being accepted, {many(intents.consumer_count, 'consumer')}"


def events_line(events: Group | None) -> str:
    """Words how many delivery events wait; blank if none does, or Redis refused to show them."""
    if events is None or not (events.unread or events.pending):
        return ""
    return f"{unread_of(events)} waiting, {figure(events.pending)} being recorded"
