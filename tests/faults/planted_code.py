"""Plants code in real processes: Python imports `sitecustomize` from its path before anything else."""

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


# Python goes on where a `sitecustomize` fails: the test would run without its fault.
_SITE = """
import os, traceback
try:
    import planted
except BaseException:
    traceback.print_exc()
    os._exit(70)
"""


def plant_code(environ: dict[str, str], folder: Path, code: str) -> None:
    """Runs the code first in every Python process started with this environment; one in which it fails exits 70."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "planted.py").write_text(code)
    (site / "sitecustomize.py").write_text(_SITE)
    environ["PYTHONPATH"] = str(site)


def run_until(processes: Processes, name: str, until: Callable[[], object]) -> int | None:
    """Starts the process and waits. Returns its exit code, or None if the condition came true before it ended."""
    process = processes.start(name)
    wait_until(lambda: process.returncode is not None or until(), describe=lambda: process.output[-3000:])
    return None if until() else process.returncode
