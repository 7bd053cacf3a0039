"""The unit files and the configuration of supervisord that the guide gives to paste."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path

import pytest

from publisher.local.procfile import PROCESSES, procfile
from tests.acceptance.local_run import Descendants
from tests.acceptance.outside import EMAIL, PUSH, Outside
from tests.acceptance.test_process_managers import START, STOP
from tests.factories import intent_fields
from tests.guide_files import guide_files
from tests.processes import Processes
from tests.waiting import wait_until

FILES = guide_files("deploying")
UNITS = [path for path in FILES if path.endswith(".service")]
SERVICES = [path for path in UNITS if "release" not in path]
SCRIPTS = str(Path(sys.executable).parent)


def with_our_paths(text: str, folder: Path) -> str:
    """The file with this interpreter's commands, and a folder of the test's own for what it writes."""
    text = text.replace("/opt/publisher/bin", SCRIPTS)
    return re.sub("/(var/log|run)/publisher", str(folder), text)


def with_our_servers(text: str, environ: Mapping[str, str], *, percent: str = "%") -> str:
    """The file with the addresses of the test's servers in the place of the guide's."""
    for name in ("DATABASE_URL", "REDIS_URL"):
        (example,) = set(re.findall(rf'{name}="?([^"\s,]+)', FILES["/etc/publisher.env"]))
        assert example in text
        text = text.replace(example, environ[name].replace("%", percent))
    return text


def unit(path: str, folder: Path) -> dict[str, str]:
    """The section [Service] of a unit file. A backslash at the end of a line continues it, as for systemd."""
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(re.sub(r" \\\n\s*", " ", with_our_paths(FILES[path], folder)))
    return dict(parser["Service"])


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` is silent: every directive is known, every program is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    for path in UNITS:
        (tmp_path / Path(path).name).write_text(with_our_paths(FILES[path], tmp_path))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.glob("*.service"))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, [line for line in done.stderr.splitlines() if "publisher" in line]) == (0, [])


@pytest.mark.parametrize(
    "group", [pytest.param(False, marks=pytest.mark.long), True], ids=["KillMode=mixed", "KillMode=control-group"]
)
def test_the_units_migrate_publish_and_stop(
    processes: Processes, empty: Outside, environ: dict[str, str], tmp_path: Path, group: bool
) -> None:
    """With the variables of the file and those alone; SIGTERM to the main process, or to all of a unit (R17)."""
    for line in with_our_servers(FILES["/etc/publisher.env"], environ).splitlines():
        name, _, environ[name] = line.partition("=")
    units = {Path(path).stem: unit(path, tmp_path) for path in UNITS}
    empty.send(*(intent_fields() for _ in range(20)))

    assert processes.run(units.pop("publisher-release")["ExecStart"]).returncode == 0
    running = {name: processes.start(service["ExecStart"]) for name, service in units.items()}
    empty.wait_for_routes(published=40, within=START)
    for process in running.values():
        process.wait_until_ready()
        process.signal(signal.SIGTERM, group=group)

    for name, process in running.items():
        assert process.wait(float(units[name]["TimeoutStopSec"])) == 0, process.output[-3000:]
        assert process.members() == []
        assert "Traceback" not in process.output
    assert set((empty.deliveries(EMAIL) + empty.deliveries(PUSH)).values()) == {1}


def test_the_units_run_the_commands_of_the_procfile(tmp_path: Path) -> None:
    """Flags that change in the Procfile change in the units and in supervisord's file."""
    for name, command in procfile().items():
        assert unit(f"/etc/systemd/system/publisher-{name}.service", Path("/x"))["ExecStart"] == f"{SCRIPTS}/{command}"
        assert f"[program:{name}]\ncommand=/opt/publisher/bin/{command}\n" in FILES["/etc/publisher/supervisord.conf"]


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)], ids=["SIGTERM", "Ctrl-C"]
)
def test_supervisord_runs_the_configuration_of_the_guide(
    processes: Processes,
    empty: Outside,
    environ: dict[str, str],
    tmp_path: Path,
    family: Descendants,
    number: signal.Signals,
) -> None:
    """The release ends and the others go on; a stop ends them all with exit code 0, without a loss (R17)."""
    folder = tmp_path / "supervisord"
    folder.mkdir()
    text = with_our_servers(FILES["/etc/publisher/supervisord.conf"], environ, percent="%%")
    (folder / "supervisord.conf").write_text(with_our_paths(text, folder))
    empty.send(*(intent_fields() for _ in range(20)))

    def log(name: str) -> str:
        path = folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    running = processes.start(f"supervisord -c {folder}/supervisord.conf", DATABASE_URL=None, REDIS_URL=None)
    wait_until(lambda: "applied 0001_initial" in log("release"), within=START, describe=lambda: running.output)
    wait_until(lambda: "scheduler started" in log("clock"), within=START)
    wait_until(lambda: log("worker").count("ready for action") == 2, within=START)
    wait_until(lambda: "PUBLISHER_SMTP_URL is not set" in log("mailer"), within=START)
    wait_until(lambda: "the page is served" in log("web"), within=START)
    empty.wait_for_routes(published=40)
    assert running.returncode is None
    running.signal(number, group=True)

    assert running.wait(STOP) == 0, running.output
    family.wait_until_gone()
    assert "Traceback" not in "".join(map(log, PROCESSES))
    assert "SIGKILL" not in log("supervisord")
    assert set((empty.deliveries(EMAIL) + empty.deliveries(PUSH)).values()) == {1}
