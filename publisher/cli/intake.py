"""`publisher intake`."""

import os
import secrets
import socket
from contextlib import closing
from datetime import timedelta
from functools import partial

from publisher.bootstrap import collect_garbage_seldom, compose_events_intake, compose_intake, install_context
from publisher.cli.session import configured
from publisher.connections import open_servers
from publisher.process.logs import redirect_standard_streams
from publisher.process.metrics_server import serve_metrics
from publisher.process.signals import stop_on_signals
from storage.identity import read_system

# A batch is a second's work; within this it stops in time, too (R17).
_TRANSACTION = timedelta(seconds=15)


def intake() -> None:
    """Take intents and delivery events off their streams into PostgreSQL, until SIGTERM or Ctrl-C.

    Any number of these may run at once. Each is a consumer of the group. The entries of one that died go to another.
    """
    settings = configured(by_hand=False)
    redirect_standard_streams()
    context = install_context(settings, "intake", statement_timeout=_TRANSACTION)
    stop_on_signals(context.stopping)
    metrics_port = serve_metrics(settings.metrics_port, context.telemetry.registry)

    from publisher.intake.beside import run_beside
    from publisher.intake.consumer import IntakeOptions
    from publisher.intake.events import EventsOptions
    from publisher.process.heartbeat import heartbeats
    from publisher.process.schema_wait import wait_for_schema
    from publisher.streams.consumer_group import ConsumerGroup
    from publisher.streams.intents import IntentsGroup
    from storage.schema.schema import pending_migrations

    # Longer than a read blocks: it waits for entries, not for the server.
    patience = max(settings.timeouts.redis, timedelta(seconds=3))
    consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    group_servers = open_servers(settings, "intake-group", patience)
    events_servers = open_servers(settings, "intake-events", patience)
    events_group = ConsumerGroup(events_servers, settings.events_stream, settings.events_group, consumer)
    events_options = EventsOptions(settings.events_stream, settings.batch_size, settings.route_lease_ttl)
    collect_garbage_seldom()
    with (
        closing(context.telemetry.spans),
        heartbeats(context.redis, "intake", partial(read_system, context.database), metrics_port=metrics_port),
    ):
        wait_for_schema(partial(pending_migrations, context.database), context.stopping.wait)
        loops = []
        for stream in settings.intents_streams:
            group = IntentsGroup(group_servers, stream, settings.intents_group, consumer)
            options = IntakeOptions(
                stream,
                batch=settings.batch_size,
                idle=settings.route_lease_ttl,
                lease=settings.route_lease_ttl,
                dedup_window=settings.dedup_window,
                handover=settings.handover,
            )
            loops.append(compose_intake(context, group, options).run)
        loops.append(compose_events_intake(context, events_group, events_options).run)
        with context.watchdog.watched("intake"):
            run_beside(loops, context.stopping)
