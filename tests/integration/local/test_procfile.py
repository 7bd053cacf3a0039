"""The Procfile's processes on this machine, as a platform runs them."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from publisher.domain.errors import PublisherError
from publisher.local import procfile
from tests.processes import ROOT, Process, Processes

# Runs these commands in the place of the Procfile's.
RUN = """
import os, sys
from publisher.local import procfile
procfile.procfile = lambda: {commands!r}
if __name__ == "__main__":
    sys.exit(procfile.run_processes(os.environ, sys.stdout))
"""
WAIT = f"{sys.executable} -c 'import signal; print(\"waiting\", flush=True); signal.pause()'"


def start(processes: Processes, folder: Path, *, worker: str = WAIT, clock: str = WAIT, **environ: str) -> Process:
    script = folder / "run.py"
    script.write_text(RUN.format(commands={"worker": worker, "clock": clock, "intake": WAIT}))
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_every_process(number: signal.Signals, processes: Processes, tmp_path: Path) -> None:
    """At a SIGTERM or Ctrl-C all processes are stopped, and the command has done well (R17)."""
    process = start(processes, tmp_path)
    process.wait_for_output("waiting", times=3)

    process.signal(number)

    assert process.wait() == 0
    assert process.output.count("stopped") == 3


def test_a_process_that_ends_ends_the_others(processes: Processes, tmp_path: Path) -> None:
    """When one process ends the others are stopped, and its exit code is the command's."""
    process = start(processes, tmp_path, clock="sh -c 'exit 7'")

    assert process.wait() == 7
    assert process.output.count("stopped") == 3


def test_each_line_names_its_process(processes: Processes, tmp_path: Path) -> None:
    """The processes' lines appear in one stream, each with the name of its process."""
    process = start(processes, tmp_path, worker="sh -c 'echo from the worker; exit 1'")

    process.wait()

    [line] = [line for line in process.output.splitlines() if "from the worker" in line]
    assert "worker" in line.split("|")[0]


def test_each_process_has_a_metrics_port_of_its_own(processes: Processes, tmp_path: Path) -> None:
    """On one machine the processes' metrics ports are counted up from the one that is set; zero stays zero."""
    # None ends by itself: the first to end would stop the others before they have said theirs.
    show = f"sh -c 'echo port $PUBLISHER_METRICS_PORT'; exec {WAIT}"
    counted = start(processes, tmp_path, worker=show, clock=show, PUBLISHER_METRICS_PORT="9100")
    counted.wait_for_output("port 9100")
    counted.wait_for_output("port 9101")

    none = start(processes, tmp_path, worker=show, clock=show, PUBLISHER_METRICS_PORT="0")
    none.wait_for_output("port 0", times=2)


def test_a_release_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release command that fails stops the start, and its exit code is said."""
    monkeypatch.setattr(procfile, "procfile", lambda: {"release": "test $ANSWER = 42"})

    procfile.run_release({"ANSWER": "42"})

    with pytest.raises(PublisherError, match="exit code 1"):
        procfile.run_release({"ANSWER": "41"})
