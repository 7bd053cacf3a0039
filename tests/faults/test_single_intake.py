"""Intake is killed at its worst moments, and by what it reads (R15, R19, R20)."""

import signal
from pathlib import Path

import pytest

from tests.acceptance.outside import Outside
from tests.factories import GROUP, INTENTS, intent_fields
from tests.faults.in_process import intents, problems, running, seen_outside
from tests.faults.planted_code import plant_code, run_until
from tests.processes import Processes

KILL_BEFORE_ACKNOWLEDGING = """
import os
from publisher.streams.intents import IntentsGroup
IntentsGroup.acknowledge = lambda *_: os.kill(os.getpid(), 9)
"""
KILL_BEFORE_TELLING = """
import os
from actors.broker import WakingBroker
WakingBroker.do_enqueue = lambda *_: os.kill(os.getpid(), 9)
"""
KILL_BY_CONTENT = """
import os
from publisher.domain import intent_parsing
whole = intent_parsing.parse_entry
def parse_entry(fields, channels):
    if any(b"deadly" in value for _, value in fields):
        os.kill(os.getpid(), 9)
    return whole(fields, channels)
intent_parsing.parse_entry = parse_entry
"""


@pytest.mark.parametrize(
    ("fault", "told"),
    [(KILL_BEFORE_TELLING, 0), (KILL_BEFORE_ACKNOWLEDGING, 1)],
    ids=["between commit and message", "between commit and XACK"],
)
def test_an_intake_killed_after_its_commit_loses_and_repeats_nothing(
    fault: str, told: int, environ: dict[str, str], processes: Processes, tmp_path: Path
) -> None:
    """Its intents are accepted once, found known by the next, and published, by scan if no message speaks of them."""
    sent = intents(3)
    with seen_outside(environ) as outside:
        outside.send(*sent)
        plant_code(environ, tmp_path, fault)
        assert processes.start("intake").wait() == -signal.SIGKILL
        assert outside.statuses() == {"pending": 6}
        assert outside.redis.llen("dramatiq:email") == told
        leave_behind(outside)

        with running(environ):
            outside.wait_for_routes(published=6)
            outside.wait_until_acknowledged()

    assert problems(environ, *sent) == []


@pytest.mark.long
def test_an_intent_that_kills_intake_ends_as_malformed(
    environ: dict[str, str], processes: Processes, tmp_path: Path
) -> None:
    """Started again each time, intake sets it aside after five deaths, and accepts its batch neighbours (R19)."""
    good, deadly = intents(6), intent_fields(producer="deadly")
    plant_code(environ, tmp_path, KILL_BY_CONTENT)
    with seen_outside(environ) as outside:
        poison = outside.send(*good[:3], deadly, *good[3:])[3]

        deaths = []
        while (code := run_until(processes, "intake", until=lambda: malformed(outside))) is not None:
            deaths.append(code)
            leave_behind(outside)
        outside.wait_for_routes(pending=12)
        outside.wait_until_acknowledged()

        assert malformed(outside) == [{"stream_entry_id": poison, "failure_code": "poison"}]
    assert deaths == [-signal.SIGKILL] * 5


def malformed(outside: Outside) -> list[dict[str, str]]:
    """What was set aside."""
    return outside.rows("SELECT stream_entry_id, failure_code FROM malformed_intents")


def leave_behind(outside: Outside) -> None:
    """Whatever is pending has been for two hours: as the next one sees it, its consumer is dead."""
    for entry in outside.redis.xpending_range(INTENTS, GROUP, "-", "+", 100):
        outside.redis.xclaim(INTENTS, GROUP, entry["consumer"], 0, [entry["message_id"]], idle=7_200_000, justid=True)
