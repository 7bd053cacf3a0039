"""Processes of one host that are told the same port: each serves its counters at one of its own (R15, R25)."""

import json

from tests.acceptance.conftest import Publisher
from tests.acceptance.counters import counted, metrics_port, served_port
from tests.acceptance.outside import Outside
from tests.factories import intent_fields
from tests.processes import Processes, listens
from tests.waiting import wait_until


def test_every_process_of_a_host_finds_a_port(
    processes: Processes, environ: dict[str, str], outside: Outside, publisher: Publisher
) -> None:
    """Two masters with two workers each, two intakes and a clock, all told one port, started at once."""
    environ["PUBLISHER_METRICS_PORT"] = metrics_port()
    two = "dramatiq publisher.actors --processes 2 --threads 2 --worker-fork-timeout 60000 --skip-logging"
    workers = [processes.start(two) for _ in range(2)]
    others = [processes.start(name) for name in ("intake", "intake", "clock")]
    ports = [served_port(process) for process in [*workers, *others]]
    outside.send(*(intent_fields() for _ in range(20)))
    outside.wait_for_routes(published=40)

    assert len(set(ports)) == 5
    for processed, where, family in (
        (40, ports[:2], "route_publish_attempts_total"),
        (20, ports[2:4], "intents_total"),
    ):
        wait_until(lambda: sum(sum(counted(port, family).values()) for port in where) == processed)  # noqa: B023 - called at once

    def told() -> set[tuple[str, int]]:
        seen = json.loads(publisher("status", "--json").stdout)["processes"]
        return {(process["role"], process["metrics_port"]) for process in seen}

    expected = {
        *(("worker", port) for port in ports[:2]),
        *(("intake", port) for port in ports[2:4]),
        ("clock", ports[4]),
    }
    wait_until(lambda: told() == expected, within=30, describe=told)


def test_a_port_that_came_free_is_taken_again(processes: Processes, environ: dict[str, str]) -> None:
    """A process in the place of one that ended has its port: the first free one is always the lowest."""
    environ["PUBLISHER_METRICS_PORT"] = metrics_port()
    first = processes.start("clock")
    port = served_port(first)
    second = processes.start("clock")
    assert served_port(second) > port
    first.wait_until_ready()
    first.signal(15)
    assert first.wait() == 0
    wait_until(lambda: not listens(port))

    assert served_port(processes.start("clock")) == port
