"""A process that hangs ends itself, and one that waits does not."""

import signal
import time
from pathlib import Path

import pytest

from publisher.process.watchdog import EXIT_STUCK, LIMIT, TICK
from tests.factories import intent_fields
from tests.faults.in_process import intents, seen_outside
from tests.faults.planted_code import SHIFTED_CLOCK, plant_code
from tests.processes import Process, Processes, free_port
from tests.smtp_servers import HostileSmtp
from tests.waiting import wait_until

# Half a second, where a minute is the rule; so what a healthy process waits for is shorter, too.
IMPATIENT = """
from datetime import timedelta
import publisher.process.watchdog
from publisher.process import next_try
from publisher.domain.backoff import Backoff
from publisher.streams.consumer_group import ConsumerGroup
from publisher.streams.intents import IntentsGroup

publisher.process.watchdog.TICK, publisher.process.watchdog.LIMIT = timedelta(seconds=0.05), timedelta(seconds=0.5)
next_try._BACKOFF = Backoff(timedelta(seconds=0.05), timedelta(seconds=0.1))
of_intents, of_events = IntentsGroup.read, ConsumerGroup.read
IntentsGroup.read = lambda self, count, _: of_intents(self, count, timedelta(seconds=0.1))
ConsumerGroup.read = lambda self, count, _: of_events(self, count, timedelta(seconds=0.1))
"""
HANGS_AT_AN_INTENT = """
import threading
from publisher.domain import intent_parsing
parse = intent_parsing.parse_entry
def hang(fields, channels):
    if any(b"endless" in value for _, value in fields):
        threading.Event().wait()
    return parse(fields, channels)
intent_parsing.parse_entry = hang
"""
HANGS_ON_ONE_PARTITION = """
import threading
for group in (ConsumerGroup, IntentsGroup):
    def hang(self, count, block, reads=group.read):
        return threading.Event().wait() if self._stream.endswith("{1}") else reads(self, count, block)
    group.read = hang
"""
HANGS_AT_SENDING = """
import threading
from actors.broker import WakingBroker
WakingBroker.do_enqueue = lambda *_: threading.Event().wait()
"""
HANGS_IN_ITS_SCHEDULE = """
import threading
from apscheduler.schedulers.base import BaseScheduler
run, runs = BaseScheduler._process_jobs, []
def hang(self):
    runs.append(1)
    return run(self) if len(runs) < 3 else threading.Event().wait()
BaseScheduler._process_jobs = hang
"""
# Longer than the limit, by a good part.
LONG = 0.9


def test_a_process_that_hangs_ends_within_a_minute() -> None:
    """The limit, and the tick that may pass before it is noticed, are below sixty seconds."""
    assert (LIMIT + 2 * TICK).total_seconds() < 60


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param("intake", HANGS_AT_AN_INTENT, id="intake at an intent"),
        pytest.param("clock", HANGS_AT_SENDING, id="the clock at a message"),
        pytest.param("intake", HANGS_ON_ONE_PARTITION, id="intake on one partition of two"),
        pytest.param("mailer", HANGS_ON_ONE_PARTITION, id="the mail service on one partition of two"),
        pytest.param("clock", HANGS_IN_ITS_SCHEDULE, id="the clock in its schedule", marks=pytest.mark.long),
    ],
)
def test_a_process_that_hangs_ends_itself(
    name: str, fault: str, environ: dict[str, str], processes: Processes, tmp_path: Path, smtp: HostileSmtp
) -> None:
    """It says why, and the platform starts another, also where only one of its loops hangs and the others go on."""
    plant_code(environ, tmp_path, IMPATIENT + fault)
    if fault == HANGS_ON_ONE_PARTITION:
        environ |= {"PUBLISHER_EMAIL_PARTITIONS": "2", "PUBLISHER_INTENTS_PARTITIONS": "2"}
    with seen_outside(environ) as outside:
        outside.send(intent_fields(producer="endless"))
    process = processes.start(name)

    assert process.wait() == EXIT_STUCK
    assert "makes no progress" in process.output


@pytest.mark.long
def test_a_clock_that_is_set_back_starts_anew(environ: dict[str, str], processes: Processes, tmp_path: Path) -> None:
    """After a step of an hour the next tick would be an hour away: the scheduler ends itself instead."""
    switch = tmp_path / "set back"
    environ |= {"SHIFT": "-3600", "SHIFT_SWITCH": str(switch)}
    plant_code(environ, tmp_path, SHIFTED_CLOCK + IMPATIENT)
    clock = processes.start("clock")
    clock.wait_for_output("scheduler started")

    switch.touch()

    assert clock.wait() == EXIT_STUCK
    assert "the scheduler makes no progress" in clock.output


@pytest.mark.parametrize(
    "away",
    [
        pytest.param("REDIS_URL", id="no Redis"),
        pytest.param("DATABASE_URL", id="no PostgreSQL", marks=pytest.mark.long),
        pytest.param(None, id="nothing to do", marks=pytest.mark.long),
    ],
)
def test_a_process_that_waits_is_left_alone(
    away: str | None, environ: dict[str, str], processes: Processes, tmp_path: Path
) -> None:
    """Without work, without a server, and paused as a whole beyond the limit, intake and clock live on."""
    plant_code(environ, tmp_path, IMPATIENT)
    with seen_outside(environ) as outside:
        outside.send(*(intents(1) if away else []))
    schemes = {"DATABASE_URL": "postgresql://postgres@127.0.0.1:{}/x", "REDIS_URL": "redis://127.0.0.1:{}/0"}
    environ |= {away: schemes[away].format(free_port())} if away else {}
    running = [processes.start(name) for name in ("intake", "clock")]
    for process in running:
        process.wait_until_ready()

    lives_on(running)
    for process in running:
        process.signal(signal.SIGSTOP)
    lives_on(running)
    for process in running:
        process.signal(signal.SIGCONT)
    lives_on(running)

    for process in running:
        process.signal(signal.SIGTERM)
    assert [process.wait() for process in running] == [0, 0], [process.output for process in running]


def lives_on(running: list[Process]) -> None:
    """Fails if one ends before time is up."""
    end = time.monotonic() + LONG
    wait_until(lambda: time.monotonic() > end or any(process.returncode is not None for process in running))
    assert [process.returncode for process in running] == [None, None], [process.output for process in running]
