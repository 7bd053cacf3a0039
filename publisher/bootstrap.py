"""Composes a process that works with actors from its settings: the only place that does."""

import gc
import os
import tempfile
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dramatiq
from dramatiq.middleware import Retries

from actors.broker import WakingBroker
from actors.context import Context, install
from actors.dramatiq_names import check_dramatiq
from actors.middleware.age_limit import DropOldMessages
from actors.middleware.graceful_stop import GracefulStop
from actors.middleware.heartbeat import WorkerHeartbeat
from actors.middleware.known_queues import KnownQueues
from actors.middleware.schema_wait import SchemaWait
from actors.middleware.spans import WorkerSpans
from actors.middleware.urgent_first import UrgentFirst
from actors.middleware.watchdog import WorkerWatchdog
from publisher.channels.email import EMAIL
from publisher.connections import open_client, open_database, open_servers
from publisher.process.garbage import collect_seldom
from publisher.process.lifeline import master_pid
from publisher.process.metrics_folder import metrics_folder, told_port, use_folder
from publisher.process.metrics_server import not_served
from publisher.process.outages import outages
from publisher.process.telemetry import Telemetry
from publisher.process.tracing import open_spans
from publisher.process.watchdog import LIMIT, Watchdog
from publisher.publishing.loss_audit import LossAudit
from publisher.publishing.policy import Hooks, Policy
from publisher.publishing.publisher import Publisher
from publisher.settings.settings import Settings
from publisher.streams.keys import look_back_key
from publisher.streams.mutex import Mutex
from publisher.streams.outbound import OutboundStreams
from publisher.streams.servers.one_server import refuse_shards

if TYPE_CHECKING:
    from publisher.intake.consumer import Intake, IntakeOptions
    from publisher.intake.events import EventsIntake, EventsOptions
    from publisher.streams.consumer_group import ConsumerGroup
    from publisher.streams.intents import IntentsGroup

# How often a message is tried after an ordinary exception. After that the scan alone publishes its routes.
_MESSAGE_TRIES = 20
_LONG_RUNNING = {"worker", "scheduler", "intake", "web"}
# Roles that work in batches, of which there are spans.
_BATCHES = {"worker", "intake", "web"}


def collect_garbage_seldom() -> None:
    """Makes Python's cycle collector run seldom, and ignore everything that exists by now.

    A batch makes thousands of objects and hardly a cycle. With Python's defaults the collector walks over all of them,
    and over every module, many times a batch: a seventh of a worker's time. Objects without cycles, nearly all, are
    freed at once all the same. To be called once everything is imported.
    """
    gc.freeze()
    collect_seldom()


def hang_limit(settings: Settings) -> timedelta:
    """Returns how long a worker's message may show no progress before its process ends itself (R17).

    One and a half leases: an attempt ends within one. At most the limit of intake and scheduler, so that a hanging
    process is gone within a minute whatever the lease. At least the longest step, which waits for a silent server as
    long as its timeouts allow.
    """
    return max(min(settings.route_lease_ttl * 1.5, LIMIT), settings.timeouts.step)


def install_context(settings: Settings, role: str, statement_timeout: timedelta | None = None) -> Context:
    """Composes the context of the actors, sets Dramatiq's broker, and declares the actors on it.

    role: names this process's connections; only a "worker" works on messages.
    statement_timeout: another than the one that fits the lease.
    A process that runs until it is told to stop logs an outage of a server in few lines.
    Such a process asks at once whether REDIS_URL names one shard of several; a server that is away is not waited for.
    Raises SettingsError if it does, or if this release cannot use the installed Dramatiq.
    """
    check_dramatiq()
    if role in _LONG_RUNNING:
        outages.watch()
    stopping = threading.Event()
    watchdog = Watchdog()
    broker = _broker(settings, role, stopping, WorkerWatchdog(hang_limit(settings), watchdog))
    telemetry = Telemetry(open_spans(settings.span_exporters if role in _BATCHES else (), role, settings.span_secrets))
    for name in settings.channels:
        # A counter whose first sample is not 0 has no increase that an alert could see.
        telemetry.lost(name, 0)
    database = open_database(settings, role, statement_timeout)
    servers = open_servers(settings, role)
    client = servers.hints
    if role in _LONG_RUNNING:
        refuse_shards(client)
    streams = OutboundStreams(servers, settings.dedup_window)
    policy = Policy(
        lease_ttl=settings.route_lease_ttl,
        batch_size=settings.batch_size,
        backoff=settings.backoff,
        probing=settings.probing,
        audit_window=settings.effective_audit_window,
        sent_here=[EMAIL.name] if settings.mail.smtp_url else [],
        handover=settings.handover,
        lane_weights=settings.lane_weights,
    )
    hooks = Hooks(
        stopping=stopping.is_set, beat=watchdog.beat, may_look_back=Mutex(client, look_back_key).acquire_or_share
    )
    publisher = Publisher(database, streams, settings.channels, telemetry, policy, hooks)
    loss_audit = LossAudit(database, streams, settings.channels, telemetry, policy, hooks)
    context = Context(
        publisher=publisher,
        database=database,
        redis=client,
        servers=servers,
        streams=streams,
        channels=settings.channels,
        telemetry=telemetry,
        scan_interval=settings.scan_interval,
        retry_horizon=settings.retry_horizon,
        loss_audit=loss_audit,
        retention=settings.keeping,
        intents_streams=settings.intents_streams,
        intents_group=settings.intents_group,
        events_stream=settings.events_stream,
        events_group=settings.events_group,
        stopping=stopping,
        watchdog=watchdog,
    )
    install(context)
    dramatiq.set_broker(broker)
    _declare_actors(broker, settings)
    return context


def compose_intake(context: Context, group: "IntentsGroup", options: "IntakeOptions") -> "Intake":
    """Composes the intake loop of this process. It wakes the workers by Dramatiq messages."""
    # Imported by those that take intents in, and no one else; the actors bind to the broker that is set by now.
    from actors.routes import tell_workers, waiting
    from publisher.intake.consumer import Intake

    return Intake(
        group,
        options,
        database=context.database,
        servers=context.servers,
        channels=context.channels,
        telemetry=context.telemetry,
        send=tell_workers,
        waiting=waiting,
        stopping=context.stopping,
        watchdog=context.watchdog,
    )


def compose_events_intake(context: Context, group: "ConsumerGroup", options: "EventsOptions") -> "EventsIntake":
    """Composes the loop of this process that takes delivery events in (R32)."""
    from publisher.intake.events import EventsIntake

    return EventsIntake(
        group,
        options,
        database=context.database,
        telemetry=context.telemetry,
        stopping=context.stopping,
        watchdog=context.watchdog,
    )


def _broker(settings: Settings, role: str, stopping: threading.Event, watchdog: WorkerWatchdog) -> WakingBroker:
    # No TimeLimit and no Shutdown: their interrupts tear connections. Every call has a timeout instead.
    middleware: list[dramatiq.Middleware] = [
        DropOldMessages(),
        Retries(
            min_backoff=round(settings.route_backoff_min.total_seconds() * 1000),
            max_backoff=round(settings.route_backoff_max.total_seconds() * 1000),
            retry_when=lambda tries, error: isinstance(error, dramatiq.Retry) or tries < _MESSAGE_TRIES,
        ),
        watchdog,
    ]
    if role == "worker":
        folder = _share_counters(settings.metrics_port) if settings.metrics_port else None
        read_port = None if folder is None else partial(told_port, folder)
        middleware += [SchemaWait(), KnownQueues(), UrgentFirst(), GracefulStop(stopping), WorkerHeartbeat(read_port)]
        middleware.append(WorkerSpans())
        if folder is not None:
            middleware.append(_worker_metrics())
    return WakingBroker(
        # Longer than the attempt's own timeout: idle consumers block here.
        client=open_client(settings, f"{role}-queue", max(settings.timeouts.redis, timedelta(seconds=3))),
        middleware=middleware,
        stopping=stopping,
        # A killed worker's messages come back within 40 seconds, not many minutes (they are hints all the same).
        heartbeat_timeout=15_000,
    )


def _share_counters(port: int) -> Path | None:
    """Has all worker processes of this master count into one folder, and returns it; None if they cannot share one.

    port: the first at which the counters might have been served.
    """
    try:
        folder = metrics_folder(master_pid())
        use_folder(folder)
    except OSError as error:
        not_served(error, port)
        return None
    # Dramatiq's middleware asks for a folder for temporary files, also where it is told another one.
    tempfile.tempdir = str(folder.parent)
    # Read by prometheus_client and by Dramatiq's middleware when they are imported: so both come after this.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ["dramatiq_prom_db"] = str(folder)  # noqa: SIM112
    return folder


def _worker_metrics() -> dramatiq.Middleware:
    """Returns the middleware that counts for all worker processes together."""
    from actors.middleware.metrics import WorkerMetrics
    from publisher.worker_metrics import serve

    return WorkerMetrics(serve)


def _declare_actors(broker: WakingBroker, settings: Settings) -> None:
    # Imported once the broker is set: an actor binds to the broker of its import, without one to one on localhost.
    from actors.maintenance import audit_published
    from actors.middleware.auditor import Auditor
    from actors.middleware.self_scan import SelfScan
    from actors.middleware.stream_watch import StreamWatch
    from actors.middleware.trimmer import Trimmer
    from actors.retention import prune_notifications, prune_records, trim_commands, trim_intents
    from actors.routes import publish_routes, publish_within_limit, scan_due_routes

    publishing = (scan_due_routes, publish_routes, publish_within_limit, audit_published)
    for actor in (*publishing, prune_notifications, prune_records, trim_intents, trim_commands):
        actor.broker = broker
        broker.declare_actor(actor)
    broker.add_middleware(SelfScan())
    broker.add_middleware(Auditor())
    broker.add_middleware(Trimmer())
    broker.add_middleware(StreamWatch())
    for name in settings.channels:
        broker.declare_queue(name)
