"""Reading the counters of running processes, wherever they are served."""

import re
import urllib.request

from publisher.process.metrics_server import PORTS
from tests.processes import ROW, Process, row_of_ports


def metrics_port() -> str:
    """The first of the ports of which this test's processes find one each, for PUBLISHER_METRICS_PORT."""
    assert ROW >= PORTS
    return str(row_of_ports())


def served_port(process: Process) -> int:
    """Where this process serves its counters, once it does."""
    process.wait_for_output("counters are served", within=40)
    found = re.search(r'(?=[^\n]*"event": ?"counters are served")[^\n]*"port": ?(\d+)', process.output)
    assert found, process.output
    return int(found[1])


def scraped(port: int) -> dict[str, float]:
    """The samples at /metrics, by name and labels as they are printed."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
        lines = response.read().decode().splitlines()
    samples = [line.rpartition(" ") for line in lines if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


def counted(port: int, family: str) -> dict[str, float]:
    """The samples of this counter alone."""
    return {name: value for name, value in scraped(port).items() if name.split("{")[0] == family}
