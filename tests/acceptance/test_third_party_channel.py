"""A channel from somebody else's package, published by the stock processes (R24)."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, Outside
from tests.factories import intent_fields
from tests.processes import Processes

MODULE = """
from datetime import timedelta

from publisher.domain.backoff import Backoff
from publisher.domain.channel import Channel, Command


def encode(notification, route):
    if notification.notification_type == "game.broken":
        return 1 / 0
    return Command((("id", route.delivery_id), ("text", notification.payload)))


SMS = Channel(
    name="sms", stream="sms:outbox", encode=encode, max_attempts=3,
    backoff=Backoff(timedelta(seconds=0.05), timedelta(seconds=0.05)),
)
NOT_A_CHANNEL = "sms"
"""


@pytest.fixture
def installed(tmp_path: Path, environ: dict[str, str]) -> Path:
    """The package as pip leaves it: a module, and its metadata beside it. Returns its entry points file."""
    site = tmp_path / "site"
    metadata = site / "sms_channel-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "sms_channel.py").write_text(MODULE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sms-channel\nVersion: 1.0\n")
    entry_points = metadata / "entry_points.txt"
    entry_points.write_text("[publisher.channels]\nsms = sms_channel:SMS\n")
    environ["PYTHONPATH"] = str(site)
    return entry_points


def test_an_installed_channel_has_its_queue_its_stream_and_its_own_failures(
    installed: Path, processes: Processes, environ: dict[str, str], outside: Outside
) -> None:
    """An entry point is all it takes: encoder, stream, attempts, backoff and settings are the channel's own (R24)."""
    environ["PUBLISHER_SMS_STREAM"] = "sms:elsewhere"
    processes.start("intake")
    outside.send(
        intent_fields(idempotency_key="all", payload_json='{"turn": 17}'),
        intent_fields(channels_json=["sms"], notification_type="game.broken"),
    )
    outside.wait_for_routes(pending=4)
    outside.wait_until_acknowledged()
    assert outside.redis.llen("dramatiq:sms") == 1

    processes.start("worker")
    processes.start("clock")
    outside.wait_for_routes(published=3, dead_letter=1)

    (command,) = outside.commands("sms:elsewhere")
    assert command.pop("id").endswith("/sms:user:7")
    assert command == {"text": '{"turn": 17}'}
    assert len(outside.commands(EMAIL)) == 1
    dead = outside.row("SELECT classification, message, attempt_count FROM dead_letters")
    assert dead == {
        "classification": "payload_encoding_failed",
        "message": "the sms encoder raised ZeroDivisionError: division by zero",
        "attempt_count": 3,
    }


@pytest.mark.parametrize(
    ("object_name", "problem"),
    [("sms_channel:GONE", "cannot be loaded"), ("sms_channel:NOT_A_CHANNEL", "is no publisher.domain.channel.Channel")],
)
def test_a_broken_channel_stops_every_process_with_one_line_that_names_it(
    installed: Path, publisher: Publisher, object_name: str, problem: str
) -> None:
    """A package that promises a channel and has none is an error in the settings: exit code 2 (R24)."""
    installed.write_text(f"[publisher.channels]\nsms = {object_name}\n")

    for command in (["intake"], ["scheduler", "run"], ["status"]):
        done = publisher(*command)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert f"channel sms ({object_name}) {problem}" in done.stderr
