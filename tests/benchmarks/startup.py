"""How long `publisher --help` takes beside an interpreter that does nothing."""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PUBLISHER = Path(sys.executable).with_name("publisher")


@dataclass(frozen=True)
class Startup:
    """Median seconds of both commands, and how many modules the help imports beyond the interpreter's own."""

    bare_seconds: float
    help_seconds: float
    modules: int

    @property
    def own_seconds(self) -> float:
        """What the help takes beyond the bare interpreter."""
        return self.help_seconds - self.bare_seconds


def startup(runs: int) -> Startup:
    """Runs both commands in turn, so that whatever else the machine does meets both."""
    bare, help_ = [], []
    for _ in range(runs):
        bare.append(_seconds(sys.executable, "-c", "pass"))
        help_.append(_seconds(str(PUBLISHER), "--help"))
    return Startup(statistics.median(bare), statistics.median(help_), _modules("publisher") - _modules())


def _seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _modules(*program: str) -> int:
    help_ = "from publisher.cli.app import run\nrun(['--help'])\n" if program else ""
    count = f"import sys\n{help_}print(len(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", count], check=True, capture_output=True, text=True)
    return int(done.stderr)
