"""Composes the mail service of one process from its settings. It opens no connection (R33)."""

import asyncio
import os
import secrets
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from publisher.channels.email import EMAIL
from publisher.connections import open_servers
from publisher.domain.errors import SettingsError
from publisher.domain.mailbox import parse_mailbox
from publisher.domain.stream_address import StreamAddress
from publisher.mail.composing import Composer
from publisher.mail.counters import MailCounters
from publisher.mail.handing_on import HandingOn
from publisher.mail.in_hand import InHand, most_in_hand
from publisher.mail.kept_commands import KeptCommands
from publisher.mail.leasing import Leasing
from publisher.mail.mailer import Mailer, Mailers
from publisher.mail.outcomes import Patience
from publisher.mail.pacing import Pacing
from publisher.mail.reading import Reader
from publisher.mail.recording import Recorder
from publisher.mail.sending import Sender
from publisher.mail.smtp.pool import SmtpPool
from publisher.mail.smtp.server import SmtpServer
from publisher.mail.taking_up import TakingUp
from publisher.mail.templates.templates import Templates
from publisher.process.telemetry import Telemetry
from publisher.process.watchdog import Watchdog
from publisher.settings.mail import Unsure
from publisher.settings.settings import Settings
from publisher.streams.consumer_group import ConsumerGroup
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database

# Threads that wait for Redis and PostgreSQL besides those that wait for commands, one for each partition.
_THREADS = 8


def compose_mailer(
    settings: Settings,
    database: Database,
    key: bytes,
    telemetry: Telemetry,
    stopping: threading.Event,
    watchdog: Watchdog,
) -> Mailers:
    """Composes the mail service, with a reader for each partition. To be called in the event loop that it runs in.

    key: of the words that name a delivery, see `storage.mail.reference_key`.
    Raises SettingsError if there is no email channel.
    """
    mail, channel = settings.mail, settings.channels.get(EMAIL.name)
    if channel is None:
        raise SettingsError("the mail service needs the channel email, which is not installed")
    sender_of_all = parse_mailbox(mail.sender)
    if mail.smtp_url is None or sender_of_all is None:
        raise SettingsError("PUBLISHER_SMTP_URL and PUBLISHER_MAIL_FROM must be set")
    pool = SmtpPool(SmtpServer(mail.smtp_url, mail.smtp_ca_file, mail.smtp_timeout), mail.connections)
    shared = _Shared(
        settings=settings,
        database=database,
        telemetry=telemetry,
        stopping=stopping,
        watchdog=watchdog,
        # Longer than a read blocks: it waits for commands, not for the server.
        reading=open_servers(settings, "mailer-group", max(settings.timeouts.redis, timedelta(seconds=3))),
        beside=open_servers(settings, "mailer"),
        consumer=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
        counters=MailCounters(telemetry.registry),
        pool=pool,
        pacing=Pacing(mail.rate),
        composer=Composer(Templates(Path(mail.templates)), sender_of_all, mail.return_domain, key),
        room=-(-most_in_hand(mail.connections, mail.rate) // channel.partitions),
    )
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS + channel.partitions))
    return Mailers([_on_partition(shared, part) for part in channel.streams], pool)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the readers of all partitions share. room: how many messages each has in hand at most."""

    settings: Settings
    database: Database
    telemetry: Telemetry
    stopping: threading.Event
    watchdog: Watchdog
    reading: StreamServers
    beside: StreamServers
    consumer: str
    counters: MailCounters
    pool: SmtpPool
    pacing: Pacing
    composer: Composer
    room: int


def _on_partition(shared: _Shared, part: StreamAddress) -> Mailer:
    """Composes what reads one partition. It has leases of its own: another one may be given the same delivery."""
    settings, database, spans = shared.settings, shared.database, shared.telemetry.spans
    mail, ttl, address = settings.mail, settings.route_lease_ttl, str(part)
    leasing = Leasing(secrets.token_hex(16), ttl, takes_over=mail.unsure is Unsure.SEND)
    in_hand = InHand(shared.room, ttl)
    recorder = Recorder(
        database,
        leasing.token,
        ConsumerGroup(shared.beside, address, mail.group, shared.consumer),
        in_hand,
        shared.counters,
        mail.suppress,
        spans,
    )
    patience = Patience(mail.backoff, mail.give_up_after, holds_unsure=mail.unsure is Unsure.HOLD)
    sender = Sender(shared.pool, in_hand, recorder, patience, shared.pacing, mail.connections)
    handing_on = HandingOn(database, sender, recorder)
    taking_up = TakingUp(database, part.stream, shared.composer, leasing, in_hand, handing_on, recorder, spans)
    kept = KeptCommands(database, shared.composer, leasing, in_hand, handing_on, recorder)
    stopping = shared.stopping
    reader = Reader(
        database,
        part.stream,
        ConsumerGroup(shared.reading, address, mail.group, shared.consumer),
        taking_up,
        kept,
        in_hand,
        recorder,
        ttl,
        stopping,
        partial(shared.watchdog.beat, address),
    )
    group = ConsumerGroup(shared.beside, address, mail.group, shared.consumer)
    return Mailer(
        database, address, group, reader, sender, recorder, in_hand, shared.pool, leasing, stopping, shared.watchdog
    )
