"""A reader that is away for longer than its stream may grow: nothing unread is lost, and nothing counts (R13)."""

import signal

import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import PUSH, Outside
from tests.factories import intent_fields
from tests.processes import Processes
from tests.waiting import wait_until

GROUP = "gateway"
CEILING = 20
COUNT = 60


def read(outside: Outside, seen: list[str]) -> int:
    """Reads and acknowledges a few commands as the gateway, and adds their event ids. Returns how many it has seen."""
    for _, entries in outside.redis.xreadgroup(GROUP, "one", {PUSH: ">"}, count=7):
        outside.redis.xack(PUSH, GROUP, *[id_ for id_, _ in entries])
        seen += [fields["event_id"] for _, fields in entries]
    return len(seen)


@pytest.fixture(autouse=True)
def low_ceiling(environ: dict[str, str]) -> None:
    environ |= {"PUBLISHER_PUSH_STREAM_CEILING": str(CEILING)}


def test_a_reader_that_was_away_finds_every_command(
    processes: Processes, outside: Outside, publisher: Publisher
) -> None:
    """While it is away the channel is parked and says why; as it reads, everything follows, each command once."""
    outside.redis.xgroup_create(PUSH, GROUP, "0", mkstream=True)
    for name in ("worker", "clock", "intake"):
        processes.start(name)
    outside.send(*(intent_fields(channels_json=["push"]) for _ in range(COUNT)))

    outside.wait_for_routes(published=CEILING, pending=COUNT - CEILING)
    said = f"{GROUP} is {CEILING} commands behind"
    wait_until(lambda: said in " ".join(publisher("channels", "list").stdout.split()))
    assert outside.redis.xlen(PUSH) == CEILING
    assert outside.rows("SELECT 1 FROM routes WHERE attempt_count > 0 OR lease_loss_count > 0") == []

    seen: list[str] = []
    wait_until(lambda: read(outside, seen) >= COUNT, describe=lambda: len(seen))
    outside.wait_for_routes(published=COUNT)
    assert len(set(seen)) == len(seen) == COUNT
    assert outside.rows("SELECT 1 FROM routes WHERE attempt_count > 0") == []


def test_without_a_group_the_reason_names_the_remedy(
    processes: Processes, environ: dict[str, str], outside: Outside, publisher: Publisher
) -> None:
    """A stream that nobody reads by a group fills to its ceiling; by length the oldest go, and the channel goes on."""
    started = [processes.start(name) for name in ("worker", "clock", "intake")]
    outside.send(*(intent_fields(channels_json=["push"]) for _ in range(COUNT)))
    outside.wait_for_routes(published=CEILING, pending=COUNT - CEILING)
    wait_until(lambda: "XGROUP CREATE" in publisher("channels", "list", "--json").stdout)

    # As a deploy does. One that is killed may leave a lease of 30 s.
    for process in started:
        process.wait_until_ready()
        process.signal(signal.SIGTERM)
    assert [process.wait() for process in started] == [0, 0, 0]
    environ |= {"PUBLISHER_PUSH_STREAM_TRIM": "length"}
    processes.start("worker")
    processes.start("clock")

    outside.wait_for_routes(published=COUNT)
