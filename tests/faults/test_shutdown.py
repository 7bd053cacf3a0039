"""Whatever a process is in the middle of, it ends in the time that is promised (R17)."""

from pathlib import Path

import pytest

from tests.faults.recovery import Recovery
from tests.faults.shutdown import hang, overruns, stop_under_load
from tests.processes import Processes


@pytest.mark.long
def test_a_worker_that_hangs_ends_within_a_minute(
    environ: dict[str, str], processes: Processes, tmp_path: Path
) -> None:
    """An encoder that never returns, under a long lease: the process ends itself within sixty seconds."""
    check(hang(environ, processes, tmp_path))


@pytest.mark.long
def test_all_stop_in_time_under_full_load(environ: dict[str, str], processes: Processes) -> None:
    """Told twice, with everything to do, each ends within 25 s with exit code 0 (R17)."""
    check(*stop_under_load(environ, processes))


def check(*shutdowns: Recovery) -> None:
    """Prints how long each took, and fails if one took too long."""
    for shutdown in shutdowns:
        print(f"{shutdown.what}: {shutdown.longest:.1f} s")
    assert overruns(shutdowns) == []
