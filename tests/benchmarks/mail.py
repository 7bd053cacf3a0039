"""The mail service: messages a second beside bare loops of smtplib, from intent to message, and memory over time.

The messages are the demo's, rendered from its templates, and sent to the local SMTP server. It stands for another
machine, and so it keeps its mail in memory: on one disk with PostgreSQL ext4 takes 35 to 270 µs to make a file, by how
many were made and removed there before.
"""

import json
import smtplib
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from publisher.local.embedded import Servers
from publisher.local.embedded_smtp import mail_folder, smtp_server
from publisher.local.maildir import count_messages
from tests.benchmarks.cpu import cpu_seconds, since
from tests.benchmarks.latency import summarized
from tests.benchmarks.results import Figure
from tests.benchmarks.size import Size
from tests.benchmarks.stage import EMAIL_STREAM, INTENTS_STREAM, Stage, stage
from tests.mail_commands import PAYLOAD, TEMPLATE, append_commands
from tests.waiting import wait_until

GROUP = "mail"
_TEMPLATES = Path(__file__).parent.parent.parent / "publisher" / "local" / "templates"
# Linux: a file system in memory.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
_SEEDED_AT_ONCE = 500
# What comes before is the start of the process.
_WARM = 0.1


@dataclass(frozen=True)
class Throughput:
    """A run of one mail process. cpu: seconds for 1,000 messages, by what took part."""

    rate: float
    cpu: Mapping[str, float]


def figures(servers: Servers, size: Size) -> Iterator[Figure]:
    """The lines of RESULTS.md."""
    runs = [_throughput(servers, size.mails) for _ in range(size.runs)]
    loops = {kept: statistics.median(_loop(size.mails, kept=kept) for _ in range(size.runs)) for kept in (True, False)}
    best = sorted(runs, key=lambda run: run.rate)[len(runs) // 2]
    yield Figure(
        GROUP,
        f"{size.mails:,} commands, one process: from command to accepted",
        f"{best.rate:,.0f} messages/s",
        f"{best.rate / loops[True]:.1f} × smtplib with a kept connection ({loops[True]:,.0f}/s), which renders and"
        f" records nothing; {best.rate / loops[False]:.1f} × with a connection each ({loops[False]:,.0f}/s)",
        "1,500/s",
    )
    for name, seconds in best.cpu.items():
        yield Figure(GROUP, f"CPU of 1,000 messages: {name}", f"{seconds * 1000:.0f} ms")
    delays, latest = _latency(servers, 50, size.latency_seconds)
    yield Figure(
        GROUP,
        "50 intents/s: from intent to message accepted, p50 / p95 / p99",
        summarized(delays).text,
        f"max {latest:.0f} ms",
        "– / 60 / – ms",
    )
    early, late = _memory(servers, 300, size.steady_seconds)
    yield Figure(
        GROUP,
        f"memory of the mail process after {size.steady_seconds / 60:g} min at 300/s",
        f"{late:.0f} MB",
        f"{early:.0f} MB after a tenth of that",
        "flat",
    )


@contextmanager
def _post_office() -> Iterator[tuple[dict[str, str], int, Path]]:
    """A local SMTP server: the variables of a mail service that uses it, its port, and its maildir."""
    place = _MEMORY if _MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="publisher-mail-", dir=place) as folder,
        smtp_server(Path(folder)) as listening,
    ):
        environ = {
            "PUBLISHER_SMTP_URL": f"smtp://127.0.0.1:{listening.port}",
            "PUBLISHER_MAIL_FROM": "Example <hello@example.com>",
            "PUBLISHER_MAIL_TEMPLATES": str(_TEMPLATES),
        }
        yield environ, listening.port, mail_folder(Path(folder))


def _throughput(servers: Servers, count: int) -> Throughput:
    """Messages a second of one process, once it runs, with so many commands on the stream."""
    with _post_office() as (environ, port, maildir), stage(servers, environ) as on:
        for first in range(0, count, _SEEDED_AT_ONCE):
            append_commands(on.database, on.redis, min(_SEEDED_AT_ONCE, count - first), first=first)
        on.start("mailer")
        wait_until(lambda: _done(on) >= count * _WARM, within=60)
        begun, at, before = _done(on), time.monotonic(), _cpu(on, port)
        wait_until(lambda: _done(on) >= count, within=600)
        elapsed, after, done = time.monotonic() - at, _cpu(on, port), count - begun
        if count_messages(maildir) != count:
            raise AssertionError(f"{count_messages(maildir)} messages for {count} commands")
        answered = on.database.rows("SELECT count(*) FROM delivery_events WHERE event = 'accepted'")
        if answered != [(count,)]:
            raise AssertionError(f"{answered[0][0]} answers for {count} commands")
        return Throughput(done / elapsed, {name: s / done * 1000 for name, s in since(before, after).items()})


def _done(on: Stage) -> int:
    """How many commands the mail service has acknowledged."""
    if not on.redis.exists(EMAIL_STREAM):
        return 0
    groups = on.redis.xinfo_groups(EMAIL_STREAM)
    return int((groups[0]["entries-read"] or 0) - groups[0]["pending"]) if groups else 0


def _cpu(on: Stage, port: int) -> dict[str, float]:
    """CPU seconds of every process that takes part, the SMTP server too."""
    times = next(child.cpu_times() for child in psutil.Process().children() if f"{port}" in child.cmdline())
    return cpu_seconds(on) | {"SMTP server": float(times.user + times.system)}


def _loop(count: int, *, kept: bool) -> float:
    """Messages a second of a bare loop: the same message again and again, made once."""
    with _post_office() as (_, port, maildir):
        message = _message()
        client = smtplib.SMTP("127.0.0.1", port) if kept else None
        began = time.monotonic()
        for n in range(count):
            if client is not None:
                client.sendmail("hello@example.com", [f"u{n}@example.com"], message)
                continue
            with smtplib.SMTP("127.0.0.1", port) as each:
                each.sendmail("hello@example.com", [f"u{n}@example.com"], message)
        elapsed = time.monotonic() - began
        if client is not None:
            client.quit()
        if count_messages(maildir) != count:
            raise AssertionError(f"{count_messages(maildir)} messages of {count}")
    return count / elapsed


def _message() -> bytes:
    """A message as the mail service makes it of the commands that are measured."""
    from publisher.domain.mailbox import Mailbox
    from publisher.mail.messages.command import MailCommand
    from publisher.mail.messages.message import Letter, Message, build_message
    from publisher.mail.messages.references import reference_of
    from publisher.mail.templates.templates import Templates

    command = MailCommand("x", "u0@example.com", TEMPLATE, "en", PAYLOAD, (), datetime.now(UTC))
    letter = Templates(_TEMPLATES).letter_for(command)
    assert isinstance(letter, Letter)
    message = build_message(
        command, letter, Mailbox("", "hello", "example.com"), reference_of(command.delivery_id, b"key")
    )
    assert isinstance(message, Message)
    return message.data


def _latency(servers: Servers, rate: int, seconds: float) -> tuple[Sequence[int], float]:
    """Milliseconds from the XADD of each intent to the reply that its message was accepted, and the most of them.

    The clocks are those of Redis and of the mail process, on one machine.
    """
    with _post_office() as (environ, _, _maildir), stage(servers, environ) as on:
        on.start("worker", "clock", "intake", "mailer")
        _send(on, 0, rate, rate)
        wait_until(lambda: len(_accepted(on)) >= rate, within=60)
        count = round(rate * seconds)
        _send(on, rate, count, rate)
        wait_until(lambda: len(_accepted(on)) >= rate + count, within=60)
        sent = {
            fields[b"idempotency_key"].decode(): int(entry_id.partition(b"-")[0])
            for entry_id, fields in on.redis.xrange(INTENTS_STREAM)
        }
        delays = [at - sent[key] for key, at in _accepted(on).items() if int(key.partition("-")[2]) >= rate]
    return delays, max(delays)


def _accepted(on: Stage) -> Mapping[str, int]:
    """When each intent's message was accepted, Unix milliseconds, by the intent's key."""
    rows = on.database.rows(
        "SELECT n.idempotency_key, (extract(epoch FROM e.occurred_at) * 1000)::bigint FROM delivery_events AS e"
        " JOIN routes AS r ON r.id = e.route_key JOIN notifications AS n ON n.id = r.notification_key"
    )
    return dict(rows)


def _memory(servers: Servers, rate: int, seconds: float) -> tuple[float, float]:
    """Megabytes of the mail process after a tenth of the time and at its end, at so many intents a second."""
    with _post_office() as (environ, _, _maildir), stage(servers, environ) as on:
        on.start("worker", "clock", "intake", "mailer")
        first = round(rate * seconds / 10)
        _send(on, 0, first, rate)
        early = _megabytes(on)
        _send(on, first, round(rate * seconds) - first, rate)
        wait_until(lambda: _done(on) >= round(rate * seconds), within=60)
        return early, _megabytes(on)


def _megabytes(on: Stage) -> float:
    return max(process.memory_info().rss / 1e6 for process in on.family()["mailer"])


def _send(on: Stage, start: int, count: int, rate: int) -> None:
    """Sends intents evenly, one a call, as a producer would."""
    began = time.monotonic()
    for n in range(count):
        pause = began + n / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        on.redis.xadd(INTENTS_STREAM, _intent(start + n))


def _intent(number: int) -> dict[str, str]:
    return {
        "notification_type": TEMPLATE,
        "producer": "bench",
        "audience_kind": "user",
        "recipients_json": json.dumps([{"user_id": str(number), "email": f"u{number}@example.com"}]),
        "channels_json": '["email"]',
        "idempotency_key": f"mail-{number}",
        "occurred_at_ms": str(time.time_ns() // 1_000_000),
        "payload_json": json.dumps(PAYLOAD),
    }
