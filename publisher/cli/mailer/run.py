"""`publisher mailer run`."""

import asyncio
import threading
from contextlib import closing
from functools import partial

import structlog

from publisher.cli.session import configured
from publisher.connections import check_redis_url, open_client, open_database
from publisher.domain.errors import PublisherError
from publisher.process.garbage import collect_seldom
from publisher.process.heartbeat import heartbeats
from publisher.process.logs import redirect_standard_streams
from publisher.process.metrics_server import serve_metrics
from publisher.process.next_try import wait_for_next_try
from publisher.process.outages import Server, outages
from publisher.process.schema_wait import wait_for_schema
from publisher.process.signals import stop_on_signals
from publisher.process.telemetry import Telemetry
from publisher.process.tracing import open_spans
from publisher.process.watchdog import Watchdog
from publisher.settings.settings import Settings
from storage.database import Database
from storage.identity import read_system
from storage.mail.reference_key import mail_reference_key
from storage.schema.schema import pending_migrations

_log = structlog.get_logger()


def run() -> None:
    """Send the email commands of the stream as messages over SMTP, until SIGTERM or Ctrl-C.

    Any number of these may run at once. Each is a consumer of the group `mail-service`. Without PUBLISHER_SMTP_URL it
    takes no command and waits, so that another mail service can have them.
    """
    settings = configured(by_hand=False)
    redirect_standard_streams()
    stopping = threading.Event()
    stop_on_signals(stopping)
    if not settings.mail.is_used:
        _log.warning("PUBLISHER_SMTP_URL is not set: this mail service takes no commands")
        stopping.wait()
        return
    check_redis_url(settings, "mailer")
    outages.watch()
    telemetry = Telemetry(open_spans(settings.span_exporters, "mailer", settings.span_secrets))
    metrics_port = serve_metrics(settings.metrics_port, telemetry.registry)
    collect_seldom()
    with (
        closing(telemetry.spans),
        closing(open_database(settings, "mailer")) as database,
        open_client(settings, "mailer-heartbeat") as client,
        heartbeats(
            client,
            "mailer",
            partial(read_system, database),
            metrics_port=metrics_port,
            read_trouble=partial(outages.trouble, Server.SMTP),
        ),
    ):
        wait_for_schema(partial(pending_migrations, database), stopping.wait)
        if not stopping.is_set():
            key = _reference_key(database, stopping)
            if key is not None:
                asyncio.run(_serve(settings, database, key, telemetry, stopping))


def _reference_key(database: Database, stopping: threading.Event) -> bytes | None:
    """Returns the key of the words that name a delivery, however long PostgreSQL is away. None: told to stop."""
    tries = 0
    while not stopping.is_set():
        try:
            return mail_reference_key(database)
        except PublisherError as error:
            tries += 1
            wait_for_next_try("the mail service", stopping, tries, error)
    return None


async def _serve(
    settings: Settings, database: Database, key: bytes, telemetry: Telemetry, stopping: threading.Event
) -> None:
    from publisher.mail_process import compose_mailer

    _log.info("mail service started", server=repr(settings.mail.smtp_url), group=settings.mail.group)
    watchdog = Watchdog()
    with watchdog.watched("the mail service"):
        await compose_mailer(settings, database, key, telemetry, stopping, watchdog).run()
