"""A route that kills its worker is given up, and takes nobody along (R5a)."""

from pathlib import Path

import pytest

from tests.acceptance.outside import Outside
from tests.factories import intent_fields
from tests.faults.in_process import seen_outside
from tests.faults.planted_code import run_until
from tests.processes import Processes

# What no `except` sees: an extension module that crashes, say.
MODULE = """
import os
from publisher.domain.channel import Channel, Command

def encode(notification, route):
    if notification.notification_type == "game.deadly":
        os._exit(1)
    return Command((("delivery_id", route.delivery_id),))

SMS = Channel(name="sms", stream="sms:outbox", encode=encode, max_attempts=3)
"""


@pytest.fixture
def deadly_channel(tmp_path: Path, environ: dict[str, str]) -> None:
    """A channel of somebody else's, as pip leaves it: a module, and its metadata beside it."""
    metadata = tmp_path / "site" / "sms_channel-1.0.dist-info"
    metadata.mkdir(parents=True)
    (tmp_path / "site" / "sms_channel.py").write_text(MODULE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sms-channel\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[publisher.channels]\nsms = sms_channel:SMS\n")
    environ["PYTHONPATH"] = str(tmp_path / "site")


@pytest.mark.long
@pytest.mark.usefixtures("deadly_channel")
def test_a_route_that_kills_its_worker_ends_as_a_dead_letter(environ: dict[str, str], processes: Processes) -> None:
    """Workers are started again each time; after five deaths it is given up, and its neighbours are all published."""
    environ["PUBLISHER_ROUTE_LEASE_TTL"] = "2"
    good = [intent_fields(channels_json=["sms"]) for _ in range(20)]
    deadly = intent_fields(channels_json=["sms"], notification_type="game.deadly")
    with seen_outside(environ) as outside:
        outside.send(*good[:10], deadly, *good[10:])
        processes.start("intake")
        outside.wait_for_routes(pending=21)

        processes.start("clock")
        deaths = []
        while (code := run_until(processes, "worker", until=lambda: is_over(outside))) is not None:
            deaths.append(code)

        assert outside.statuses() == {"published": 20, "dead_letter": 1}
        assert outside.rows("SELECT classification, notification_type, attempt_count FROM dead_letters") == [
            {"classification": "lease_expired", "notification_type": "game.deadly", "attempt_count": 0}
        ]
        assert set(outside.deliveries("sms:outbox").values()) == {1}
        assert len(outside.commands("sms:outbox")) == 20
    assert deaths == [1] * 5


def is_over(outside: Outside) -> bool:
    """True if every route is final."""
    return not outside.statuses().keys() & {"pending", "failed"}
