"""Standard input, output and error that are closed, full or not UTF-8: never a traceback."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from publisher.domain.door_token import Sends, token_hash
from publisher.domain.loss import LossCause
from storage.accepting.losses import record_loss
from storage.database import Database
from storage.holds import HoldCriteria, add_hold
from storage.mail.suppressions import add_suppression
from storage.tokens import add_token
from tests import factories
from tests.acceptance.command_tree import LONG_RUNNING, has_json, leaves
from tests.acceptance.final_routes import BURY
from tests.acceptance.forked_commands import Forks
from tests.acceptance.malformed_intents import record_intent
from tests.acceptance.outside import Outside
from tests.integration.mail_rows import held_mail
from tests.maildirs import made_maildir
from tests.processes import ROOT, complete

KEY = "Zug-Ω-♞"
NOTIFICATION = factories.intent(idempotency_key=KEY, producer="Jörg 🎲").notification_id
# What a command needs besides its name to have something to print.
ARGUMENTS = {
    "notification_id": NOTIFICATION,
    "id": KEY,
    "id_": "1",
    "channel": "email",
    "action_id": "1",
    "loss_id": "1",
    "number": "1",
    "file": "-",
    "template": "demo.turn.ready",
    "name": "alerts",
    "address": "jörg@müller.example",
    "producer": "Jörg 🎲",
    "--purpose": "Geschäft in Köln",
    "--reason": "Umzug nach Köln",
    "--from": "ses",
}
# Dead letter, action, malformed intent and loss have the number 1: explain would ask which.
KINDS = {"explain": "dead-letter:"}
BESIDES = {
    "malformed resubmit": ["--all", "--unchanged", "--dry-run"],
    "routes cancel": ["--all", "--dry-run"],
    "routes republish": ["--since", "2026-03-14", "--dry-run"],
    "dead-letters requeue": ["--all", "--dry-run"],
    "dead-letters discard": ["--all", "--dry-run"],
    "retention run": ["--dry-run"],
    "intents replay": ["--since", "2026-03-14", "--dry-run"],
    "intents losses list": ["--all"],
    "channels pause": ["--yes"],
    "channels resume": ["--yes"],
    "channels limit": ["--none", "--yes"],
    "holds add": ["--channel", "email", "--dry-run"],
    "holds remove": ["--yes"],
    "tokens revoke": ["--yes"],
    "mailer preview": ["--templates", str(ROOT / "publisher" / "local" / "templates"), "--locale", "de"],
    "mailer held send": ["--all", "--dry-run"],
    "mailer held settle": ["--all", "--as", "failed", "--dry-run"],
    "mailer suppressions add": ["--dry-run"],
    "mailer suppressions remove": ["--dry-run"],
}
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
Shell = Callable[..., "subprocess.CompletedProcess[bytes]"]
# Paused first, so that there is an action to look at; what is to be shown is only read by the others.
COMMANDS = sorted({*leaves()} - LONG_RUNNING, key=lambda name: name != "channels pause")


@pytest.fixture
def records(database: Database, outside: Outside, environ: dict[str, str], tmp_path: Path) -> None:
    """Records beyond Latin-1 for every command to show: dead letters, a malformed intent, and a loss."""
    environ["PUBLISHER_MAIL_BOUNCES_URL"] = str(made_maildir(tmp_path / "Rückläufer"))
    fields = {"idempotency_key": KEY, "producer": "Jörg 🎲"}
    recipients = [{"user_id": "jörg-🎲", "email": "jörg@exämple.com"}]
    factories.accepted(database, [fields | {"recipients_json": recipients}])
    outside.rows(BURY)
    record_intent(database, producer="Jörg 🎲")
    # Read by intake, and to be replayed.
    outside.send(factories.intent_fields())
    outside.redis.xgroup_create(factories.INTENTS, factories.GROUP, "$")
    record_loss(database, factories.INTENTS, LossCause.TRIMMED, "1-0", "9-0", 888)
    # One to remove, and one to list.
    for _ in range(2):
        add_hold(database, HoldCriteria(recipient_ref="user:jörg-🎲"), "Umzug nach Köln", "Jörg 🎲")
    add_suppression(database, "jörg@müller.example", "Umzug nach Köln", "Jörg 🎲", None)
    for sends in Sends:
        add_token(database, "Jörg 🎲", "Geschäft in Köln", [sends], token_hash(sends), "Jörg 🎲")


@pytest.fixture
def held(database: Database, records: None) -> None:
    """Those records, and a message that an operator is to decide about."""
    held_mail(database, "jörg@exämple.com")


@pytest.fixture
def shell(environ: dict[str, str], records: None) -> Shell:
    """Runs `publisher` by a shell, which makes of its standard streams what `redirection` says."""

    def run(
        *arguments: str, redirection: str = "", stdin: bytes = b"", **variables: str
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["bash", "-c", f'publisher "$@" {redirection}', "bash", *arguments],
            env=complete(environ | variables),
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )

    return run


def command_line(name: str, *, as_json: bool = False) -> list[str]:
    """The command with what it needs to print something."""
    arguments = [*name.split(), *BESIDES.get(name, [])]
    for required in leaves()[name]:
        value = KINDS.get(name, "") + ARGUMENTS[required]
        arguments += [required, value] if required.startswith("-") else [value]
    return [*arguments, "--json"] if as_json and has_json(name) else arguments


def test_every_table_is_shown_where_only_ascii_can_be(environ: dict[str, str], held: None) -> None:
    """Lines of a table are drawn in ASCII, letters that the terminal has not are escapes: nothing is a traceback."""
    lines = [command_line(name) for name in COMMANDS]
    with closing(Forks(ASCII)) as forks:
        shown = dict(zip(COMMANDS, forks.run_many(lines, environ | ASCII), strict=True))

    for name, done in shown.items():
        assert done.code == 0 or (name, done.code) == ("doctor", 1), (name, done.stderr)
        assert b"Traceback" not in done.stderr, (name, done.stderr)
        assert (done.stdout + done.stderr).isascii(), name
        assert done.stdout or done.stderr, name
    assert b"user:j\\xf6rg-\\U0001f3b2" in shown["routes list"].stdout
    assert b"+-" in shown["routes list"].stdout


@pytest.mark.parametrize(
    ("output", "reason", "step"),
    [
        ("full", b"No space left on device", 6),
        pytest.param("full", b"No space left on device", 1, marks=pytest.mark.long),
        pytest.param("closed", b"Bad file", 1, marks=pytest.mark.long),
    ],
)
def test_an_output_that_takes_nothing_is_one_line_and_exit_code_1(
    environ: dict[str, str], forks: Forks, held: None, output: str, reason: bytes, step: int
) -> None:
    """A disk that is full, or no standard output: the command says so and fails, whichever it is."""
    # Each of them writes by the same few functions: each sixth one is enough for every change.
    names = COMMANDS[::step]
    lines = [command_line(name, as_json=True) for name in names]

    for line, done in zip(lines, forks.run_many(lines, environ, output), strict=True):
        assert done.code == 1, line
        assert done.stderr.startswith(b"publisher: cannot write to standard output: " + reason), (line, done.stderr)
        assert done.stderr.count(b"\n") == 1, (line, done.stderr)


@pytest.mark.parametrize(
    "variables",
    [ASCII, *(pytest.param({"PYTHONIOENCODING": name}, marks=pytest.mark.long) for name in ("latin-1", "cp1252")), {}],
)
def test_json_says_the_same_in_every_encoding(shell: Shell, variables: dict[str, str]) -> None:
    """Where standard output is not UTF-8 letters are escapes of JSON, so that a reader gets what stands there."""
    [listed, malformed] = [
        shell(*line.split(), **variables) for line in ("routes list --json", "malformed list --json")
    ]

    assert (listed.returncode, listed.stderr) == (0, b"")
    routes = [json.loads(line) for line in listed.stdout.splitlines()]
    assert {route["recipient_ref"] for route in routes} == {"user:jörg-🎲"}
    assert json.loads(malformed.stdout)["producer"] == "Jörg 🎲"
    assert listed.stdout.isascii() is bool(variables)


def test_one_object_is_one_line_to_every_reader(shell: Shell, database: Database) -> None:
    """What a reader may take for the end of a line, or a terminal obeys, is an escape in JSON and none in a table."""
    ends = "\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e\r\n\x9b\x7f"
    record_intent(database, entry_id="2-1", producer=f"one{ends}two")

    [as_json, table] = [shell("malformed", "list", *more, "--limit", "1").stdout.decode() for more in (["--json"], [])]

    assert len(as_json.splitlines()) == 1
    assert not {*ends} & {*as_json.removesuffix("\n")}
    assert json.loads(as_json)["producer"] == f"one{ends}two"
    assert table.splitlines() == table.removesuffix("\n").split("\n")
    assert f"one{'?' * len(ends)}two" in table


@pytest.mark.parametrize("closed", ["2>&-", "2> /dev/full"])
def test_without_standard_error_a_command_does_its_work(shell: Shell, closed: str) -> None:
    """What would be said there is dropped, and never lands in the output: the exit code tells."""
    good = shell("routes", "list", "--json", redirection=closed)
    bad = shell("routes", "lisst", redirection=closed)

    assert (good.returncode, len(good.stdout.splitlines())) == (0, 2)
    assert (bad.returncode, bad.stdout) == (2, b"")


@pytest.mark.parametrize("command", ["intents send -", "malformed resubmit 1 --file -"])
def test_without_standard_input_reading_it_is_one_line_and_exit_code_1(shell: Shell, command: str) -> None:
    """A closed standard input is told, and nothing is sent."""
    done = shell(*command.split(), redirection="<&-")

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"publisher: cannot read standard input: Bad file descriptor\n"


@pytest.mark.parametrize("command", ["routes list --json", "status", "--help", "status --watch --json"])
def test_a_reader_that_has_had_enough_ends_it_quietly(shell: Shell, command: str) -> None:
    """`| head -1` gets its line, and nothing is said of what was not wanted."""
    done = shell(*command.split(), redirection="| head -c 1 > /dev/null")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("variables", [{}, ASCII])
def test_an_argument_is_utf_8_whatever_the_locale(shell: Shell, variables: Mapping[str, str]) -> None:
    """A key finds its intent under every locale; bytes that are no text are bad usage, and no traceback."""
    found, broken = shell("trace", KEY, "--json", **variables), run_bytes(shell, [b"trace", b"caf\xe9"], variables)

    assert found.returncode == 0, found.stderr
    assert broken.returncode == 2
    assert broken.stderr.startswith(b"publisher: 'caf\\udce9' is not UTF-8")


def run_bytes(
    shell: Shell, arguments: Sequence[bytes], variables: Mapping[str, str]
) -> "subprocess.CompletedProcess[bytes]":
    """Runs `publisher` with arguments that need be no text."""
    quoted = b" ".join(b"$'" + b"".join(b"\\x%02x" % byte for byte in argument) + b"'" for argument in arguments)
    return shell(redirection=quoted.decode(), **variables)
