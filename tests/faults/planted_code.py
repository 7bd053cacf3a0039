"""Real processes with a fault planted in them: Python runs a `sitecustomize` on its path before anything else."""

from collections.abc import Callable
from pathlib import Path

from tests.processes import Processes
from tests.waiting import wait_until

# An hour, or whatever the variable says, between this process's wall clock and everyone else's.
SHIFTED_CLOCK = """
import datetime, os, time

true_time, true_datetime = time.time, datetime.datetime

def shift():
    switch = os.environ.get("SHIFT_SWITCH")
    return float(os.environ.get("SHIFT", 0)) if not switch or os.path.exists(switch) else 0.0

class Meta(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, true_datetime)

class ShiftedDatetime(true_datetime, metaclass=Meta):
    @classmethod
    def now(cls, tz=None):
        return true_datetime.now(tz) + datetime.timedelta(seconds=shift())

    @classmethod
    def utcnow(cls):
        return true_datetime.utcnow() + datetime.timedelta(seconds=shift())

time.time = lambda: true_time() + shift()
time.time_ns = lambda: int(time.time() * 1e9)
datetime.datetime = ShiftedDatetime
"""


def sabotage(environ: dict[str, str], folder: Path, code: str) -> None:
    """Every Python process started with this environment from now on runs the code first."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(code)
    environ["PYTHONPATH"] = str(site)


def one_life(processes: Processes, name: str, until: Callable[[], object]) -> int | None:
    """Starts the process. Its exit code once it has ended, or None if the condition came true before."""
    process = processes.start(name)
    wait_until(lambda: process.returncode is not None or until(), describe=lambda: process.output[-3000:])
    return None if until() else process.returncode
