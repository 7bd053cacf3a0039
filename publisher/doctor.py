"""The checks of `publisher doctor`: facts from both servers and the settings, judged by `publisher.domain.diagnosis`.

Each check stands alone: one that cannot look is unknown, and the others go on. Nothing is changed, and every wait has
an end.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TypeVar

import redis

from publisher.bootstrap import open_client, open_database
from publisher.domain.backoff import Backoff
from publisher.domain.channel import Channel
from publisher.domain.diagnosis import channels, clocks, configuration, connections, intents, postgresql, redis_server
from publisher.domain.diagnosis import schema as tables
from publisher.domain.diagnosis.clocks import ClockReading
from publisher.domain.diagnosis.verdict import Diagnosis, failed, unknown
from publisher.domain.errors import PublisherError, SchemaOutdated, Unavailable
from publisher.procfile import procfile
from publisher.settings import Settings
from publisher.streams import health as streams
from storage import catalogue, schema
from storage import health as database_health
from storage.database import POOL_SIZE, Database
from storage.gates import read_gates

_STATEMENT = timedelta(seconds=5)
# No check begins later than this: with the one that is running, the end is in sight.
_PATIENCE = timedelta(seconds=30)
# The quickest of a few round trips tells a clock best: nothing was in its way.
_READINGS = 3
T = TypeVar("T")
_SEE_SCHEMA = unknown("not looked at: see schema", "run 'publisher migrate' first")


class Server(Enum):
    """Whom a check asks. The value is the name of the check that says whether it is there at all."""

    NONE = ""
    POSTGRESQL = "postgresql"
    REDIS = "redis"


@dataclass(frozen=True, slots=True)
class Check:
    """One check and how it came out."""

    name: str
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    asks: Server
    look: Callable[[], Diagnosis]


def examine(settings: Settings) -> Iterator[Check]:
    """Every check, each as soon as it is done. Raises nothing that a server could cause."""
    with (
        closing(open_database(settings, "doctor", _STATEMENT)) as database,
        open_client(settings, "doctor") as client,
    ):
        yield from _run([*_of_settings(settings), *_of_postgresql(settings, database), *_of_redis(settings, client)])


def _run(steps: Sequence[_Step]) -> Iterator[Check]:
    began, away = time.monotonic(), set[Server]()
    for step in steps:
        if step.asks in away:
            diagnosis = unknown(f"not looked at: see {step.asks.value}", f"mend {step.asks.value} first")
        elif time.monotonic() - began > _PATIENCE.total_seconds():
            diagnosis = unknown(
                f"not looked at: {_PATIENCE.seconds} s were over", "ask again when the servers are quicker"
            )
        else:
            diagnosis, gone = _look(step)
            if gone:
                away.add(step.asks)
        yield Check(step.name, diagnosis)


def _look(step: _Step) -> tuple[Diagnosis, bool]:
    """What the check says, and whether its server is not there at all."""
    try:
        return step.look(), False
    except SchemaOutdated as error:
        return unknown(str(error), "see schema"), False
    except Unavailable as error:
        if step.name == step.asks.value:
            return failed(str(error), f"see that {step.name} runs, and that its URL, user and network are right"), True
        return unknown(str(error), "ask again; if it stays so, see the server's log"), False
    except PublisherError as error:
        return unknown(str(error), "let this user look, or look by other means"), False


def _of_settings(settings: Settings) -> list[_Step]:
    def timeouts() -> Diagnosis:
        limits = settings.timeouts
        return configuration.timeouts(
            connect=limits.connect,
            statement=limits.statement,
            redis=limits.redis,
            lease_ttl=settings.route_lease_ttl,
        )

    def windows() -> Diagnosis:
        return configuration.windows(
            dedup=settings.dedup_window,
            audit=settings.effective_audit_window,
            lease_ttl=settings.route_lease_ttl,
            scan_interval=settings.scan_interval,
            longest_backoff=_longest_backoff(settings.channels, settings.backoff),
        )

    return [
        _Step("settings", Server.NONE, lambda: configuration.variables(settings.unknown_variables)),
        _Step("timeouts", Server.NONE, timeouts),
        _Step("windows", Server.NONE, windows),
    ]


def _of_postgresql(settings: Settings, database: Database) -> list[_Step]:
    clock = _once(lambda: _read_clock(lambda: database_health.read_clock(database)))
    server = _once(lambda: database_health.read_server(database))
    gates = _once(lambda: read_gates(database))
    pending = _once(lambda: schema.pending_migrations(database))
    over = settings.route_lease_ttl * channels.ORPHANED_AFTER_LEASES
    backlogs = _once(lambda: database_health.backlogs(database, over=over))

    def due() -> Diagnosis:
        return channels.due(
            backlogs(), gates(), scan_interval=settings.scan_interval, lease_ttl=settings.route_lease_ttl
        )

    def indexes() -> Diagnosis:
        # What a migration is about to make is not missing: made by hand, it would stand in the migration's way.
        if pending():
            return _SEE_SCHEMA
        return tables.indexes(catalogue.expected_indexes(), catalogue.found_indexes(database))

    def constraints() -> Diagnosis:
        if pending():
            return _SEE_SCHEMA
        return tables.constraints(catalogue.expected_constraints(), catalogue.found_constraints(database))

    looks: dict[str, Callable[[], Diagnosis]] = {
        "postgresql": lambda: postgresql.server(server(), clock().round_trip, settings.timeouts.statement),
        "postgresql-clock": lambda: clocks.clock("PostgreSQL", clock()),
        "postgresql-durability": lambda: postgresql.durability(server()),
        "schema": lambda: tables.migrations(pending(), schema.foreign_migrations(database)),
        "indexes": indexes,
        "constraints": constraints,
        "connections": lambda: connections.budget(
            database_health.connections(database),
            connections.needed(procfile(), cores=os.cpu_count() or 1, pool=POOL_SIZE),
        ),
        "transactions": lambda: postgresql.transactions(database_health.oldest_transactions(database)),
        "prepared-transactions": lambda: postgresql.prepared(database_health.prepared_transactions(database)),
        "replication-slots": lambda: postgresql.slots(database_health.replication_slots(database)),
        "dead-rows": lambda: postgresql.dead_rows(database_health.tables(database)),
        "due-routes": due,
        "leases": lambda: channels.leases(backlogs(), gates()),
        "gates": lambda: channels.closed(gates()),
        "channels": lambda: channels.served(backlogs(), settings.channels),
    }
    return [_Step(name, Server.POSTGRESQL, look) for name, look in looks.items()]


def _of_redis(settings: Settings, client: redis.Redis) -> list[_Step]:
    server = _once(lambda: streams.read_server(client))
    clock = _once(lambda: _read_clock(lambda: streams.read_clock(client)))
    group = _once(lambda: streams.read_group(client, settings.intents_stream, settings.intents_group))
    outbound = {name: channel.stream for name, channel in settings.channels.items()}

    def reachable() -> Diagnosis:
        # Before anything else: while it loads its data, Redis answers to INFO alone.
        found = server()
        if found.loading:
            return redis_server.server(found, timedelta(0), settings.timeouts.redis)
        return redis_server.server(found, clock().round_trip, settings.timeouts.redis)

    looks: dict[str, Callable[[], Diagnosis]] = {
        "redis": reachable,
        "redis-clock": lambda: clocks.clock("Redis", clock()),
        "redis-persistence": lambda: redis_server.persistence(server(), streams.read_configuration(client)),
        "redis-eviction": lambda: redis_server.eviction(server()),
        "redis-memory": lambda: redis_server.memory(server()),
        "redis-clients": lambda: redis_server.clients(server()),
        "redis-rights": lambda: redis_server.rights(
            streams.missing_rights(
                client, intents=settings.intents_stream, group=settings.intents_group, streams=outbound
            )
        ),
        "streams": lambda: redis_server.streams(
            streams.key_types(client, [settings.intents_stream, *outbound.values()])
        ),
        "intents-group": lambda: intents.group(settings.intents_stream, settings.intents_group, group()),
        "intents-pending": lambda: intents.pending(group(), settings.route_lease_ttl),
    }
    return [_Step(name, Server.REDIS, look) for name, look in looks.items()]


def _once(read: Callable[[], T]) -> Callable[[], T]:
    """Reads when it is first asked. Whoever asks later gets the same value, or the same error: no one waits twice."""
    outcomes: list[T | PublisherError] = []

    def ask() -> T:
        if not outcomes:
            try:
                outcomes.append(read())
            except PublisherError as error:
                outcomes.append(error)
        [outcome] = outcomes
        if isinstance(outcome, PublisherError):
            raise outcome
        return outcome

    return ask


def _read_clock(read: Callable[[], datetime]) -> ClockReading:
    """The server's clock against this machine's, by the quickest of a few round trips."""
    readings = []
    for _ in range(_READINGS):
        sent, began = datetime.now(UTC), time.perf_counter()
        theirs = read()
        round_trip = timedelta(seconds=time.perf_counter() - began)
        readings.append(ClockReading(theirs - (sent + round_trip / 2), round_trip))
    return min(readings, key=lambda reading: reading.round_trip)


def _longest_backoff(channels_: Mapping[str, Channel], backoff: Backoff) -> timedelta:
    """The longest wait before the last attempt of any channel."""
    return max(
        (
            (channel.backoff or backoff).delay(channel.max_attempts - 1, 0.0)
            for channel in channels_.values()
            if channel.max_attempts > 1
        ),
        default=timedelta(0),
    )
