"""Judges a snapshot: finds everything that is wrong with the service, and puts the worst first."""

from collections.abc import Iterator, Sequence

from publisher.domain.errors import PublisherError, SchemaOutdated
from publisher.operations.snapshot.snapshot import Snapshot, StoreSnapshot, StreamsSnapshot
from publisher.operations.verdict.store_findings import due_routes, served_channels, store_findings
from publisher.operations.verdict.streams_findings import streams_findings
from publisher.operations.verdict.verdict import Cause, Finding, Level, Verdict
from publisher.operations.wording import names


def judge(snapshot: Snapshot) -> Verdict:
    """Judges a snapshot, whichever totals it holds."""
    store = None if isinstance(snapshot.store, PublisherError) else snapshot.store
    streams = None if isinstance(snapshot.streams, PublisherError) else snapshot.streams
    found = [*_unread(snapshot, store)]
    if store is not None:
        found += store_findings(snapshot, store, streams)
    if streams is not None:
        held_back = [each.channel or "" for each in found if each.cause is Cause.HELD_BACK]
        found += streams_findings(streams, held_back)
        found += _own_servers(streams, found)
    if store is not None and streams is not None and _is_unused(store, streams):
        # Nothing waits: that no process runs is part of what comes next.
        found = [finding for finding in found if finding.level is Level.FAILED or finding.channel is not None]
        found.append(Finding(Level.OK, Cause.NOTHING_SENT, missing=_missing(streams)))
    levels, causes = list(Level), list(Cause)
    ordered = sorted(found, key=lambda finding: (levels.index(finding.level), causes.index(finding.cause)))
    return Verdict(ordered or [Finding(Level.OK, Cause.ALL_WELL)])


def _unread(snapshot: Snapshot, store: StoreSnapshot | None) -> Iterator[Finding]:
    if isinstance(snapshot.store, PublisherError):
        behind = isinstance(snapshot.store, SchemaOutdated)
        cause = Cause.SCHEMA_BEHIND if behind else Cause.POSTGRESQL_UNREAD
        yield Finding(Level.FAILED, cause, detail=str(snapshot.store))
    error = snapshot.streams if isinstance(snapshot.streams, PublisherError) else snapshot.streams.unread
    if error is not None:
        count, oldest = (0, None) if store is None else due_routes(store, served_channels(snapshot, store))
        yield Finding(Level.FAILED, Cause.REDIS_UNREAD, count=count, lasting=oldest, detail=str(error))


def _own_servers(streams: StreamsSnapshot, found: Sequence[Finding]) -> Iterator[Finding]:
    """Findings about channels whose own Redis could not be read, each error once: nothing else may be due there yet."""
    parked = {each.channel for each in found if each.cause is Cause.CIRCUIT_OPEN}
    told = {each.detail for each in found if each.cause is Cause.REDIS_UNREAD}
    channels: dict[str, list[str]] = {}
    for name, readers in streams.readers.items():
        if isinstance(readers.found, PublisherError) and readers.channel.server and name not in parked:
            channels.setdefault(str(readers.found), []).append(name)
    for error, unread in channels.items():
        if error not in told:
            only = unread[0] if len(unread) == 1 else None
            yield Finding(Level.FAILED, Cause.REDIS_UNREAD, only, detail=f"{names(unread)}: {error}")


def _is_unused(store: StoreSnapshot, streams: StreamsSnapshot) -> bool:
    intents = streams.intents
    waits = intents is None or intents.unread or intents.pending or streams.given_up
    return store.outstanding.is_unused and not waits


def _missing(streams: StreamsSnapshot) -> Sequence[str]:
    return tuple(role for role in ("worker", "clock", "intake") if not streams.living(role))
