"""What a scrape gets of counters that workers share, while a worker starts (R25)."""

import urllib.request
from pathlib import Path

import pytest
from prometheus_client.multiprocess import MultiProcessCollector

from publisher.process.metrics_server import serve_shared_metrics
from tests.processes import row_of_ports


def test_a_scrape_does_not_fail_for_a_worker_that_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is empty for some microseconds: the files are read again."""
    file = tmp_path / "counter_1.db"
    file.touch()
    read = MultiProcessCollector._read_metrics

    def read_once(files: list[str]) -> object:
        try:
            return read(files)
        finally:
            # By now the worker has gone on.
            file.write_bytes(bytes(4096))

    monkeypatch.setattr(MultiProcessCollector, "_read_metrics", staticmethod(read_once))
    port, end = serve_shared_metrics(row_of_ports(), tmp_path)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
            assert response.status == 200
    finally:
        end()
