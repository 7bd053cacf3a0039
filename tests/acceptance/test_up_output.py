"""What `publisher up` prints, and who reads it: a person, a pipe, nobody any more."""

import json
import os
import re
import shlex
import signal
import subprocess
import termios
from pathlib import Path

import pytest

from tests.acceptance.local_run import PATIENCE, Descendants, served_by, wait_until_serving
from tests.factories import intent_fields
from tests.processes import Processes, complete
from tests.waiting import wait_until


def up_in(folder: Path) -> str:
    """The command line, with its data in this folder."""
    return f"publisher up --data {shlex.quote(str(folder / 'data'))}"


@pytest.mark.long
def test_ctrl_c_ends_an_up_whose_output_goes_through_a_pipe(
    descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """`publisher up 2>&1 | tee log`: Ctrl-C ends tee as well, and `up` stops everything all the same."""
    log = server_folder / "log"
    pipeline = processes.start(f"sh -c {shlex.quote(f'{up_in(server_folder)} 2>&1 | tee {log}')}")
    wait_until_serving(pipeline)

    pipeline.signal(signal.SIGINT, group=True)

    pipeline.wait(PATIENCE)
    descendants.wait_until_gone()
    assert "ready" in log.read_text()
    assert not (server_folder / "data" / "env").exists()


@pytest.mark.long
def test_an_up_whose_reader_is_gone_goes_on(
    descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """`publisher up 2>&1 | head -3`: intents are still published, and SIGTERM ends it with exit code 0."""
    code = server_folder / "code"
    inner = f"({up_in(server_folder)} 2>&1; echo $? > {code}) | head -3"
    pipeline = processes.start(f"sh -c {shlex.quote(inner)}")
    wait_until((server_folder / "data" / "env").exists, within=PATIENCE)
    exports = (server_folder / "data" / "env").read_text()

    def status() -> str:
        shown = subprocess.run(
            ["sh", "-c", f"{exports}publisher status --json"],
            env=complete({}),
            capture_output=True,
            text=True,
            check=False,
        )
        return shown.stdout

    wait_until(lambda: status().count('"role": "worker"') == 2, within=PATIENCE, describe=status)
    intent = json.dumps(intent_fields())
    sent = ["sh", "-c", f"{exports}echo {shlex.quote(intent)} | publisher intents send -"]
    subprocess.run(sent, env=complete({}), check=True)
    wait_until(lambda: '"published": 1' in status(), within=PATIENCE, describe=status)

    [up] = descendants.pids_of("publisher up --data")
    os.kill(up, signal.SIGTERM)

    pipeline.wait(PATIENCE)
    assert code.read_text() == "0\n"
    descendants.wait_until_gone()


def test_an_up_without_room_for_its_output_goes_on(
    descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """`publisher up > /dev/full`: it serves until it is told to stop, and exits 0."""
    up = processes.start(f"sh -c {shlex.quote(f'exec {up_in(server_folder)} > /dev/full')}")
    descendants.wait_for("publisher intake", of=up)

    up.signal(signal.SIGTERM)

    assert up.wait(PATIENCE) == 0, up.output
    descendants.wait_until_gone()


@pytest.mark.parametrize("columns", [80, pytest.param(60, marks=pytest.mark.long)])
def test_on_a_terminal_it_says_what_to_do_next_and_ends_with_it(
    columns: int, descendants: Descendants, environ: dict[str, str], server_folder: Path
) -> None:
    """Lines have colours and the names of their processes; a terminal that is closed (SIGHUP) ends everything."""
    del environ["PUBLISHER_LOG_FORMAT"]
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    up = subprocess.Popen(
        ["sh", "-c", f"exec {up_in(server_folder)}"],
        env=complete(environ),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lambda: os.login_tty(theirs),
    )
    os.close(theirs)
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        while b"Ctrl-C" not in shown:
            shown += terminal.read(65536)
    assert up.wait(PATIENCE) == 0
    descendants.wait_until_gone()

    lines = re.sub(r"\x1b\[\d*m", "", shown.decode()).splitlines()
    assert "\x1b[36mworker  |\x1b[0m " in shown.decode()
    assert [line for line in lines if line.startswith("clock   | ") and line.endswith("interval=0.5")]
    send, read, see, page, stop = lines[-5:]
    assert send.startswith("Send an intent: echo '{")
    assert send.endswith(" | publisher intents send -")
    assert read == f"Read its email: cat {shlex.quote(str(server_folder / 'data/smtp/mail/new'))}/*"
    assert (see, stop) == ("See the work:   publisher status --watch", "Stop:           Ctrl-C")
    assert re.fullmatch(r"Open the page:  http://127\.0\.0\.1:\d{4,5}", page)
    assert all(len(line) <= 2 * columns for line in lines if not line.startswith(("Send", "Read", "export", "release")))


def test_the_commands_it_shows_send_an_intent_and_read_its_email(
    descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """The first lines of what to do next are complete: pasted into a shell they make two commands and one email."""
    up = processes.start(up_in(server_folder))
    with served_by(up) as outside:
        up.wait_for_output("Stop: ")
        [send] = re.findall(r"^Send an intent: (.*)$", up.output, re.MULTILINE)
        [read] = re.findall(r"^Read its email: (.*)$", up.output, re.MULTILINE)
        exports = "".join(re.findall(r"^export .*\n", up.output, re.MULTILINE))

        subprocess.run(["sh", "-c", exports + send], env=complete({}), check=True)

        wait_until(lambda: outside.statuses() == {"published": 2}, within=PATIENCE, describe=outside.statuses)
        answered = "SELECT count(*) FROM routes WHERE answer = 'accepted'"
        wait_until(lambda: outside.row(answered) == {"count": 1}, within=PATIENCE)
        shown = subprocess.run(["sh", "-c", read], capture_output=True, text=True, check=True)
        assert re.findall(r"^To: (.*)$", shown.stdout, re.MULTILINE) == ["ann@example.com"]
        assert re.findall(r"^Subject: (.*)$", shown.stdout, re.MULTILINE) == ["It is your turn: chess, turn 17"]
    up.signal(signal.SIGTERM)
    assert up.wait(PATIENCE) == 0


@pytest.mark.long
def test_its_lines_are_json_where_that_is_set(
    descendants: Descendants, processes: Processes, server_folder: Path
) -> None:
    """PUBLISHER_LOG_FORMAT=json: each event of a process is an object after the name of its process."""
    up = processes.start(up_in(server_folder), PUBLISHER_LOG_FORMAT="json")
    wait_until_serving(up)

    events = [json.loads(text) for text in re.findall(r"^(?:worker|clock) +\| (\{.*\})$", up.output, re.MULTILINE)]

    assert {"scheduler started", "Worker process is ready for action."} <= {event["event"] for event in events}
    up.signal(signal.SIGTERM)
    assert up.wait(PATIENCE) == 0
