"""The Procfile's processes on this machine, as a platform runs them."""

import os
import shutil
import signal
import sys
import uuid
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from publisher.domain.errors import PublisherError
from publisher.local import procfile
from tests.processes import ROOT, Process, Processes, marked

# Runs these commands in the place of the Procfile's, as `publisher up` does.
RUN = """
import os, sys, time
from publisher.cli.up_screen import Screen
from publisher.local import procfile
from publisher.local.children import kill_children
from publisher.process.signals import StopSignals
procfile.procfile = lambda: {commands!r}
stop = StopSignals(kill_children)
with procfile.processes(os.environ, Screen(1).relay) as running:
    while procfile.first_ended(running) is None and not stop.requested:
        time.sleep(0.05)
    ended = procfile.first_ended(running)
sys.exit(0 if ended is None else running[ended].returncode)
"""
WAIT = f"{sys.executable} -c 'import signal; print(\"waiting\", flush=True); signal.pause()'"

STUBBORN = """
import itertools, signal
times = itertools.count(1)
signal.signal(signal.SIGTERM, lambda *_: print("no:", next(times), flush=True))
print("waiting", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def mark(environ: dict[str, str]) -> str:
    """A text in the environment of every process that comes of this test."""
    environ["MARK"] = uuid.uuid4().hex
    return environ["MARK"]


def start(processes: Processes, folder: Path, *, worker: str = WAIT, clock: str = WAIT, **environ: str) -> Process:
    script = folder / "run.py"
    commands = {"worker": worker, "clock": clock, "intake": WAIT, "mailer": WAIT, "web": WAIT}
    script.write_text(RUN.format(commands=commands))
    return processes.start(f"python {script}", **environ)


def test_the_procfile_names_every_process() -> None:
    """The Procfile has the release command and every process that `up` and `demo` run."""
    assert set(procfile.procfile()) == {"release", *procfile.PROCESSES}


def test_the_procfile_is_read_as_honcho_reads_it() -> None:
    """Where honcho is not installed, `publisher doctor` still counts the very processes that it would run."""
    text = (ROOT / "Procfile").read_text()

    assert procfile.procfile() == dict(parse_procfile(text).processes)


@pytest.mark.parametrize("name", ["release", *procfile.PROCESSES])
def test_every_command_of_the_procfile_is_there(name: str) -> None:
    """Each command is found on the PATH that its process gets, whatever the shell's own is."""
    program = procfile.procfile()[name].split()[0]

    assert shutil.which(program, path=procfile.environment({"PATH": "/nowhere"})["PATH"])


def test_workers_stop_before_a_platform_kills_them() -> None:
    """The workers' own shutdown timeout is below the 25 seconds that a stop may take (R17)."""
    words = procfile.procfile()["worker"].split()

    assert words[:2] == ["dramatiq", "publisher.actors"]
    assert 0 < int(words[words.index("--worker-shutdown-timeout") + 1]) < 25_000


def test_a_process_gets_the_variables_and_this_interpreters_commands() -> None:
    """A process gets the given variables alone, with this interpreter's commands first in PATH."""
    given = {"PATH": "/usr/bin:/bin", "REDIS_URL": "redis://h/0"}

    environ = procfile.environment(given)

    scripts = str(Path(sys.executable).parent)
    assert environ == given | {"PATH": f"{scripts}:/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}


def test_a_process_has_a_path_in_an_empty_environment() -> None:
    """Without a PATH the system's default one follows."""
    assert procfile.environment({})["PATH"].split(os.pathsep)[1:] == os.defpath.split(os.pathsep)


@pytest.mark.parametrize("place", ["Procfile", "publisher/Procfile"], ids=["a checkout", "a wheel"])
def test_the_procfile_is_found_where_it_is_installed(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Procfile stands beside the package in a checkout, and in it when installed from a wheel."""
    (tmp_path / "publisher").mkdir()
    monkeypatch.setattr(procfile, "__file__", str(tmp_path / "publisher" / "local" / "procfile.py"))
    with pytest.raises(PublisherError, match="no Procfile"):
        procfile.procfile()

    (tmp_path / place).write_text("web: run --port 1\n# not: this\n")

    assert procfile.procfile() == {"web": "run --port 1"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_every_process(number: signal.Signals, processes: Processes, tmp_path: Path) -> None:
    """At a SIGTERM, at Ctrl-C and where the terminal is closed every process is stopped (R17)."""
    process = start(processes, tmp_path)
    process.wait_for_output("waiting", times=5)

    process.signal(number)

    assert process.wait() == 0


def test_a_process_that_ends_ends_the_others(mark: str, processes: Processes, tmp_path: Path) -> None:
    """When one process ends the others are stopped, and its exit code is the command's."""
    process = start(processes, tmp_path, clock="sh -c 'exit 7'")

    assert process.wait() == 7
    assert marked(mark) == {}


def test_what_outlives_its_process_is_ended(mark: str, processes: Processes, tmp_path: Path) -> None:
    """A worker process that still booted when its master was stopped keeps the master's output open. It is ended."""
    (tmp_path / "master.sh").write_text(f"{WAIT} &\nexec {WAIT}\n")
    process = start(processes, tmp_path, worker=f"sh {tmp_path / 'master.sh'}")
    process.wait_for_output("waiting", times=6)

    process.signal(signal.SIGTERM)

    assert process.wait() == 0
    assert marked(mark) == {}


def test_a_second_ctrl_c_kills(mark: str, processes: Processes, tmp_path: Path) -> None:
    """A process that does not stop when it is told to is killed by a Ctrl-C after that, and not by a second SIGTERM."""
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    process = start(processes, tmp_path, worker=f"{sys.executable} {tmp_path / 'stubborn.py'}")
    process.wait_for_output("waiting", times=5)
    process.signal(signal.SIGTERM)
    process.wait_for_output("no: 1")
    process.signal(signal.SIGTERM)
    assert process.returncode is None

    process.signal(signal.SIGINT)

    assert process.wait(within=15) == 0
    assert marked(mark) == {}


def test_each_line_names_its_process(processes: Processes, tmp_path: Path) -> None:
    """The processes' lines appear in one stream, each with the name of its process."""
    process = start(processes, tmp_path, worker="sh -c 'echo from the worker; exit 1'")

    process.wait()

    [line] = [line for line in process.output.splitlines() if "from the worker" in line]
    assert "worker" in line.split("|")[0]


def test_a_release_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release command that fails stops the start, and its exit code is said."""
    monkeypatch.setattr(procfile, "procfile", lambda: {"release": "test $ANSWER = 42"})

    procfile.run_release({"ANSWER": "42"}, lambda *_: None)

    with pytest.raises(PublisherError, match="exit code 1"):
        procfile.run_release({"ANSWER": "41"}, lambda *_: None)
