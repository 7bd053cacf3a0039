"""Composes the mail service of one process from its settings. It opens no connection (R33)."""

import os
import secrets
import socket
import threading
from datetime import timedelta
from pathlib import Path

from publisher.channels.email import EMAIL
from publisher.connections import open_servers
from publisher.domain.errors import SettingsError
from publisher.domain.mailbox import parse_mailbox
from publisher.mail.composing import Composer
from publisher.mail.counters import MailCounters
from publisher.mail.handing_on import HandingOn
from publisher.mail.in_hand import InHand, most_in_hand
from publisher.mail.kept_commands import KeptCommands
from publisher.mail.leasing import Leasing
from publisher.mail.mailer import Mailer
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
from storage.database import Database


def compose_mailer(
    settings: Settings,
    database: Database,
    key: bytes,
    telemetry: Telemetry,
    stopping: threading.Event,
    watchdog: Watchdog,
) -> Mailer:
    """Composes the mail service. To be called in the event loop that it runs in.

    key: of the words that name a delivery, see `storage.mail_reference_key`.
    Raises SettingsError if there is no email channel.
    """
    mail, ttl = settings.mail, settings.route_lease_ttl
    channel = settings.channels.get(EMAIL.name)
    if channel is None:
        raise SettingsError("the mail service needs the channel email, which is not installed")
    leasing = Leasing(secrets.token_hex(16), ttl, takes_over=mail.unsure is Unsure.SEND)
    in_hand = InHand(most_in_hand(mail.connections, mail.rate), ttl)
    # Longer than a read blocks: it waits for commands, not for the server.
    reading = open_servers(settings, "mailer-group", max(settings.timeouts.redis, timedelta(seconds=3)))
    beside = open_servers(settings, "mailer")
    consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    recorder = Recorder(
        database,
        leasing.token,
        ConsumerGroup(beside, channel.address, mail.group, consumer),
        in_hand,
        MailCounters(telemetry.registry),
        mail.suppress,
        telemetry.spans,
    )
    sender_of_all = parse_mailbox(mail.sender)
    if mail.smtp_url is None or sender_of_all is None:
        raise SettingsError("PUBLISHER_SMTP_URL and PUBLISHER_MAIL_FROM must be set")
    pool = SmtpPool(SmtpServer(mail.smtp_url, mail.smtp_ca_file, mail.smtp_timeout), mail.connections)
    patience = Patience(mail.backoff, mail.give_up_after, holds_unsure=mail.unsure is Unsure.HOLD)
    sender = Sender(pool, in_hand, recorder, patience, Pacing(mail.rate), mail.connections)
    composer = Composer(Templates(Path(mail.templates)), sender_of_all, mail.return_domain, key)
    handing_on = HandingOn(database, sender, recorder)
    taking_up = TakingUp(database, channel.stream, composer, leasing, in_hand, handing_on, recorder, telemetry.spans)
    kept = KeptCommands(database, composer, leasing, in_hand, handing_on, recorder)
    reader = Reader(
        database,
        channel.stream,
        ConsumerGroup(reading, channel.address, mail.group, consumer),
        taking_up,
        kept,
        in_hand,
        recorder,
        ttl,
        stopping,
        watchdog.beat,
    )
    group = ConsumerGroup(beside, channel.address, mail.group, consumer)
    return Mailer(database, group, reader, sender, recorder, in_hand, pool, leasing, stopping, watchdog.beat)
