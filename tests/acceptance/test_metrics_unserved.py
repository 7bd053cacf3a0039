"""What keeps counters from being served is one line, and keeps no process from its work (R25)."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.acceptance.counters import metrics_port
from tests.acceptance.outside import Outside
from tests.acceptance.test_metrics_and_logs import events
from tests.factories import intent_fields
from tests.processes import COMMANDS, Processes
from tests.waiting import wait_until

UNSERVED = "metrics are not served; the process works without them"
# No port is higher, so that a process has no other to try.
HIGHEST_PORT = 65_535


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which something else listens, and after which there is none."""
    with ExitStack() as stack:

        def taken() -> bool:
            try:
                listener = socket.create_server(("0.0.0.0", HIGHEST_PORT))  # noqa: S104 - as the service binds it
            except OSError:
                return False
            stack.enter_context(closing(listener))
            return True

        wait_until(taken)
        yield HIGHEST_PORT


def test_every_process_works_where_no_port_is_free(
    processes: Processes, environ: dict[str, str], outside: Outside, taken_port: int
) -> None:
    """A process that finds no port says so once, as a line like all others, and does its work."""
    environ["PUBLISHER_METRICS_PORT"] = str(taken_port)
    running = [processes.start(name) for name in ("worker", "clock", "intake")]
    outside.send(intent_fields())

    outside.wait_for_routes(published=2)
    for process in running:
        process.wait_for_output(UNSERVED)
        [said] = [event for event in events(process) if event["event"] == UNSERVED]
        assert (said["level"], said["port"]) == ("warning", taken_port)
        assert "Address already in use" in said["error"]


def test_workers_work_where_they_cannot_share_their_counters(
    processes: Processes, environ: dict[str, str], outside: Outside, tmp_path: Path
) -> None:
    """A folder that cannot be used costs the counters alone."""
    environ |= {"PUBLISHER_METRICS_PORT": metrics_port(), "TMPDIR": str(tmp_path)}
    worker = processes.start(f"sh -c 'ln -s /nowhere $TMPDIR/publisher-metrics-$$; exec {COMMANDS['worker']}'")
    processes.start("intake")
    outside.send(intent_fields())

    outside.wait_for_routes(published=2)
    assert [event["event"] for event in events(worker)].count(UNSERVED) == 1
