"""Checks that ask PostgreSQL."""

import os
from collections.abc import Callable, Mapping

from publisher.channels.email import EMAIL
from publisher.doctor.checks import answers, channels, clocks, connections, intents_kept, postgresql, rights, sessions
from publisher.doctor.checks import schema as tables
from publisher.doctor.steps.clock import read_clock
from publisher.doctor.steps.step import NEEDS_SCHEMA, POSTGRESQL, Look, Step, once, refusal_of
from publisher.doctor.verdict import Diagnosis
from publisher.operations.channels.limits import channel_limits, with_use
from publisher.operations.holds.holds import list_holds
from publisher.settings.settings import Settings
from storage import activity, health
from storage.accepting.losses import list_losses
from storage.accepting.marks import read_mark
from storage.accepting.replays import latest_replays
from storage.answers.unanswered import count_unanswered
from storage.counts.backlogs import read_backlogs
from storage.database import POOL_SIZE, Database
from storage.gates import read_gates
from storage.route_orphans import orphaned_routes
from storage.schema import catalogue, schema
from storage.schema.rights import missing_grants


def of_postgresql(settings: Settings, database: Database, read_procfile: Callable[[], Mapping[str, str]]) -> list[Step]:
    """Every check of PostgreSQL, of the schema, and of the work that waits there."""
    clock = once(lambda: read_clock(lambda: health.read_clock(database)))
    server = once(lambda: health.read_server(database))
    gates = once(lambda: read_gates(database))
    limits = once(lambda: with_use(database, channel_limits(database, settings.channels)))
    holds = once(lambda: list_holds(database))
    pending = once(lambda: schema.pending_migrations(database))
    over = settings.route_lease_ttl * channels.ORPHANED_AFTER_LEASES
    emails = settings.channels.get(EMAIL.name)
    backlogs = once(lambda: read_backlogs(database, over=over))

    def due() -> Diagnosis:
        return channels.due(
            backlogs(),
            gates(),
            limits(),
            holds(),
            scan_interval=settings.scan_interval,
            lease_ttl=settings.route_lease_ttl,
        )

    def migrated(look: Look) -> Look:
        # What a migration is about to make is not missing: made by hand, it would stand in the migration's way.
        return lambda: NEEDS_SCHEMA if pending() else look()

    def replayed() -> Diagnosis:
        marks = [read_mark(database, stream) for stream in settings.intents_addresses]
        # Of partitions the one that is to be waited for, if there is any.
        mark = next((mark for mark in marks if not mark.is_settled), marks[0])
        last = next(iter(latest_replays(database, settings.intents_addresses)), None)
        return intents_kept.replayed(settled=mark.is_settled, mark=mark.entry_id, last=last)

    looks: dict[str, Look] = {
        "postgresql": lambda: postgresql.server(server(), clock().round_trip, settings.timeouts.statement),
        "postgresql-hosts": lambda: postgresql.hosts(health.read_hosts(database)),
        "postgresql-clock": lambda: clocks.clock("PostgreSQL", clock()),
        "postgresql-writes": lambda: postgresql.writes(refusal_of(lambda: health.try_write(database))),
        "postgresql-rights": lambda: rights.postgresql(missing_grants(database)),
        "postgresql-isolation": lambda: sessions.isolation(health.read_isolation(database)),
        "postgresql-tls": lambda: sessions.postgresql_tls(health.read_tls(database)),
        "postgresql-encoding": lambda: postgresql.encoding(schema.server_encoding(database)),
        "postgresql-durability": lambda: postgresql.durability(server()),
        "schema": lambda: tables.migrations(pending(), schema.foreign_migrations(database)),
        "columns": migrated(lambda: tables.columns(catalogue.expected_columns(), catalogue.found_columns(database))),
        "indexes": migrated(lambda: tables.indexes(catalogue.expected_indexes(), catalogue.found_indexes(database))),
        "constraints": migrated(
            lambda: tables.constraints(catalogue.expected_constraints(), catalogue.found_constraints(database))
        ),
        "notifications-of-routes": migrated(lambda: tables.notifications_of_routes(orphaned_routes(database))),
        "connections": lambda: connections.budget(
            activity.connections(database),
            connections.needed(
                read_procfile(),
                cores=os.cpu_count() or 1,
                pool=POOL_SIZE,
                intents=settings.intents_partitions,
                emails=emails.partitions if emails and settings.mail.is_used else 0,
            ),
            connections.of_page(read_procfile()),
        ),
        "transactions": lambda: postgresql.transactions(activity.oldest_transactions(database)),
        "prepared-transactions": lambda: postgresql.prepared(activity.prepared_transactions(database)),
        "replication-slots": lambda: postgresql.slots(activity.replication_slots(database)),
        "dead-rows": lambda: postgresql.dead_rows(health.tables(database)),
        "intents-replayed": replayed,
        "intents-lost": lambda: intents_kept.lost(list_losses(database, acknowledged=False, limit=1000)),
        "due-routes": due,
        "answers": lambda: answers.unanswered(
            count_unanswered(database, {name: c.answer_within for name, c in settings.channels.items()}),
            {name: c.variable("answer_within") for name, c in settings.channels.items()},
        ),
        "leases": lambda: channels.leases(backlogs(), gates()),
        "gates": lambda: channels.closed(gates(), limits(), holds()),
        "channels": lambda: channels.served(backlogs(), settings.channels),
    }
    return [Step(name, POSTGRESQL, look) for name, look in looks.items()]
