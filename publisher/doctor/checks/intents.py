"""Whether a stream of intake is read, that of intents or of delivery events: its group, and what waits or is held."""

from collections.abc import Sequence
from datetime import timedelta

from publisher.doctor.verdict import Diagnosis, ok, warning
from publisher.operations.wording import names, span
from publisher.streams.groups import Consumer, Group

_BEHIND = timedelta(minutes=1)
_RUN_INTAKE = "is 'publisher intake' running, and does PostgreSQL answer it? its logs say more"


def group(stream: str, name: str, found: Group | None) -> Diagnosis:
    """None: there is no such stream, or group. What is sent before it is there waits, and is not lost."""
    if found is None:
        return warning(f"{stream} has no group {name}", "start 'publisher intake': it makes both, and skips nothing")
    unread = f"{'at least ' if found.is_bound else ''}{found.unread:,}"
    if found.oldest_unread is not None and found.oldest_unread > _BEHIND:
        return warning(f"{unread} unread, the first sent {span(found.oldest_unread)} ago", _RUN_INTAKE)
    return ok(f"{unread} unread, consumers: {found.consumer_count:,}")


def pending(found: Group | None, takeover: timedelta) -> Diagnosis:
    """Entries that were read and not acknowledged, and whether their reader lives.

    takeover: after which a running intake takes over what another left. One that lives reads every few seconds,
    so twice that is certain.
    """
    if found is None:
        return ok("no group, and nothing pending")
    dead = [c for c in found.consumers or () if c.pending and c.idle > 2 * takeover]
    if dead:
        return warning(
            held(dead),
            f"a running 'publisher intake' takes them over after {span(takeover)}: {_RUN_INTAKE}",
        )
    if found.oldest_pending is not None and found.oldest_pending > max(_BEHIND, 2 * takeover):
        return warning(f"{found.pending:,} pending, the first sent {span(found.oldest_pending)} ago", _RUN_INTAKE)
    return ok(f"{found.pending:,} pending, none with a dead consumer")


def held(dead: Sequence[Consumer]) -> str:
    """Says how many entries these consumers hold, and since when they are silent."""
    count, silent = sum(c.pending for c in dead), span(min(c.idle for c in dead))
    return f"{count:,} held by consumers silent for {silent} or longer: {names([c.name for c in dead])}"
