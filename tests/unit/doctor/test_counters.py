"""The judge of served counters."""

from publisher.doctor.checks.counters import Counting, counters
from publisher.doctor.verdict import Verdict, ok

WORKERS = [Counting(f"worker web-1 pid {pid}", "web-1", 9102) for pid in (7, 8)]
CLOCK = Counting("clock web-2 pid 9", "web-2", 9102)
SILENT = Counting("intake web-2 pid 10", "web-2", 0)


def test_each_port_is_named_once() -> None:
    """The workers of one master serve at one port; processes of two hosts may serve at the same."""
    assert counters(9102, [*WORKERS, CLOCK]) == ok("counters are served at web-1:9102, web-2:9102")


def test_a_process_that_serves_none_is_named() -> None:
    """Prometheus would miss it in silence."""
    said = counters(9102, [*WORKERS, SILENT])

    assert said.verdict is Verdict.WARNING
    assert said.finding == "no counters are served by: intake web-2 pid 10"


def test_where_nobody_asks_for_counters_nothing_is_amiss() -> None:
    """Without the setting a process serves none, and that is how it is meant."""
    assert counters(0, [SILENT]) == ok("no process serves counters")
    assert counters(9102, []) == ok("no process serves counters")
    assert counters(0, [CLOCK, SILENT]) == ok("counters are served at web-2:9102")
