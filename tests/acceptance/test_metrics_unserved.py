"""What keeps counters from being served is one line, and keeps no process from its work (R25)."""

import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.outside import Outside
from tests.acceptance.test_metrics_and_logs import counted, events
from tests.factories import intent_fields
from tests.processes import COMMANDS, Processes, free_port, listens
from tests.waiting import wait_until

UNSERVED = "metrics are not served; the process works without them"


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which something else listens."""
    with closing(socket.create_server(("0.0.0.0", 0))) as taken:  # noqa: S104 - as the service binds it
        yield taken.getsockname()[1]


@pytest.fixture
def temporary(environ: dict[str, str], tmp_path: Path) -> Path:
    """A folder for the processes' temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    environ["TMPDIR"] = str(folder)
    return folder


def test_every_process_works_where_its_port_is_taken(
    processes: Processes, environ: dict[str, str], outside: Outside, taken_port: int
) -> None:
    """A second process on one port says so once, as a line like all others, and does its work."""
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
    processes: Processes, environ: dict[str, str], outside: Outside, temporary: Path
) -> None:
    """A folder that cannot be used costs the counters alone."""
    environ["PUBLISHER_METRICS_PORT"] = str(free_port())
    worker = processes.start(f"sh -c 'ln -s /nowhere $TMPDIR/publisher-metrics-$$; exec {COMMANDS['worker']}'")
    processes.start("intake")
    outside.send(intent_fields())

    outside.wait_for_routes(published=2)
    assert [event["event"] for event in events(worker)].count(UNSERVED) == 1


def test_the_workers_folder_is_there_while_they_are(
    processes: Processes, environ: dict[str, str], outside: Outside, temporary: Path
) -> None:
    """A graceful stop removes the folder; one that a killed master left goes with the next one's start."""
    port = free_port()
    environ["PUBLISHER_METRICS_PORT"] = str(port)

    def folders() -> list[str]:
        return [path.name for path in temporary.glob("publisher-metrics-*")]

    killed = processes.start("worker")
    killed.wait_for_output("Worker process is ready for action")
    wait_until(lambda: listens(port), describe=lambda: killed.output)
    assert folders() == [f"publisher-metrics-{killed.pid}"]
    killed.kill()
    wait_until(lambda: not listens(port))
    assert folders() == [f"publisher-metrics-{killed.pid}"]

    stopped = processes.start("worker")
    wait_until(lambda: listens(port), describe=lambda: stopped.output)
    assert folders() == [f"publisher-metrics-{stopped.pid}"]
    processes.start("intake", PUBLISHER_METRICS_PORT="0")
    outside.send(intent_fields())
    outside.wait_for_routes(published=2)
    wait_until(lambda: len(counted(port, "route_publish_attempts_total")) == 2)
    stopped.signal(signal.SIGTERM, group=True)

    assert stopped.wait() == 0
    assert folders() == []
    assert "Traceback" not in stopped.output
