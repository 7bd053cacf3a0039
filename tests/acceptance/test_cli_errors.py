"""What `publisher` says when it cannot do what it was told: one line, and the right exit code."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess

import pytest

from tests.acceptance.command_tree import commands, leaves
from tests.acceptance.conftest import Publisher
from tests.acceptance.forked_commands import Forks
from tests.processes import Processes, free_port

SHELF = {"observability list", "observability show"}
# They need no settings.
NEED_NO_SETTINGS = {"demo", "up", "guide", "mailer preview", "mailer check", *SHELF}
NOBODY = "00000000-0000-0000-0000-000000000000"


def given(required: Sequence[str]) -> list[str]:
    """Something for each argument and option that a command must be given."""
    values = {"--from": "ses"}
    return [word for name in required for word in ([name, values.get(name, "1")] if name.startswith("-") else ["1"])]


def all_of(publisher: Publisher, commands: Sequence[str], **variables: str | None) -> list[CompletedProcess[str]]:
    """Runs these commands, a few at a time: each takes longer to start than to fail."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda command: publisher(*command.split(), **variables), commands))


def assert_refused(done: CompletedProcess[str], code: int, *said: str) -> None:
    """It ended with this code, and one line on standard error alone that says all of this."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("publisher: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for text in said:
        assert text in done.stderr


@pytest.mark.parametrize("step", [2, pytest.param(1, marks=pytest.mark.long)])
def test_every_command_explains_itself(forks: Forks, step: int) -> None:
    """`--help` works everywhere, needs no settings, and says what the command does."""
    # Each second one is enough for every change: all of them are printed by the same few functions.
    every = commands()[::step]
    lines = [[*command.split(), "--help"] for command in every]

    for command, done in zip(every, forks.run_many(lines, {"DATABASE_URL": None, "REDIS_URL": None}), strict=True):
        assert (done.code, done.stderr) == (0, b""), command
        assert f"Usage: publisher {command}".strip() in done.stdout.decode()


@pytest.mark.parametrize(
    "commands",
    [
        {
            "nonsense": "there is no command 'nonsense' of 'publisher': see 'publisher --help'",
            "--frobnicate": "there is no option --frobnicate of 'publisher'",
            "routes show": "Missing argument",
            "routes list --status 7": "--status cannot be '7': it is one of pending, failed, published, ",
            "routes list --status publishd": "'publishd': did you mean 'published'? It is one of pending, failed, ",
            "routes list --limit 0": "--limit must be a whole number from 1 to 10,000, not '0'",
            "demo --intents 0": "--intents",
        },
        {
            "scheduler scan pigeon": "there is no channel 'pigeon'; channels: email, push",
            "intents send": "Missing argument",
            "intents send /no/such/file": "cannot read '/no/such/file': No such file or directory",
            "intents send /tmp": "cannot read '/tmp': Is a directory",
            "dead-letters requeue": "name a route, or say which dead letters",
            "dead-letters list --since tomorrow": "publisher: --since: 'tomorrow' is no instant: those look like 2d or",
            "malformed list --until 25:00": "publisher: --until: '25:00' is no instant: those look like 2d or 1h30m",
            "actions list --since -1h": "publisher: --since: '-1h' is no instant",
            "dead-letters list --since 2999-01-01": "publisher: --since: 2999-01-01 00:00:00.000Z lies in the future",
            "dead-letters list --until 2d --since 1d": "nothing lies between --since and --until: 20",
            "dead-letters requeue --all --rate 0": "--rate must be a whole number, 1 or more, not '0'",
        },
        {
            "routes republish": "say since when: --since",
            "routes republish --channel email": "say since when: --since",
            "routes republish --since 2026-03-14 --until 2026-03-14": "nothing lies between --since and --until",
            "routes republish --since 2026-03-14 --channel pigeon": "there is no channel 'pigeon'; channels: email",
            "routes republish --since noon": "'noon' is no instant",
            "routes republish --resume 1 --channel email": "give no others",
        },
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(publisher: Publisher, commands: dict[str, str]) -> None:
    """Whatever is wrong with the arguments, the line names it."""
    for said, done in zip(commands.values(), all_of(publisher, list(commands)), strict=True):
        assert_refused(done, 2, said)


def test_what_does_not_exist_is_one_line_and_exit_code_1(publisher: Publisher) -> None:
    """An unknown id is a failure that names the id, not an empty answer."""
    commands = [
        f"routes show {NOBODY}",
        f"routes show {NOBODY}/email:user:7",
        f"dead-letters show {NOBODY}",
        f"dead-letters requeue {NOBODY} --yes",
        f"routes republish {NOBODY}/email:user:7 --yes",
        f"routes list --notification {NOBODY}",
        f"explain {NOBODY}",
    ]

    for done in all_of(publisher, commands):
        assert_refused(done, 1, NOBODY)
    for done in all_of(publisher, ["actions show 4711", "dead-letters requeue --resume 4711 --yes"]):
        assert_refused(done, 1, "nothing has the id '4711'. Searched: the number of every operator action; every")


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.long)])
def test_missing_settings_are_named_all_at_once(
    environ: dict[str, str], forks: Forks, processes: Processes, step: int
) -> None:
    """Every process stops with exit code 2 and one line that names each variable it misses."""
    need_settings = [[*name.split(), *given(leaf)] for name, leaf in leaves().items() if name not in NEED_NO_SETTINGS]
    # They read them in one place.
    for done in forks.run_many(need_settings[::step], environ | {"DATABASE_URL": None, "REDIS_URL": None}):
        assert (done.code, done.stdout) == (2, b"")
        assert re.fullmatch(
            rb"publisher: [^\n]*DATABASE_URL is not set, e.g. postgresql://[^\n]*REDIS_URL is not set, e.g. redis://.*\n",
            done.stderr,
        )

    worker = processes.start("worker", DATABASE_URL="")
    assert worker.wait() == 2
    assert "publisher: bad settings: DATABASE_URL is not set" in worker.output
    assert "Traceback" not in worker.output


def test_bad_settings_are_named_all_at_once_with_their_rules(publisher: Publisher) -> None:
    """Several bad values make one line with each variable and its rule, and no password."""
    done = publisher(
        "status",
        DATABASE_URL="mysql://ann:hush-5ecret@host/name",
        PUBLISHER_ROUTE_LEASE_TTL="soon",
        PUBLISHER_BATCH_SIZE="1001",
        PUBLISHER_ROUTE_BACKOFF_MIN="10",
        PUBLISHER_ROUTE_BACKOFF_MAX="5",
        PUBLISHER_EMAIL_MAX_ATTEMPTS="0",
        PUBLISHER_LOG_FORMAT="xml",
    )

    assert_refused(
        done,
        2,
        "DATABASE_URL must be a URL that begins with postgres:// or postgresql://",
        "PUBLISHER_ROUTE_LEASE_TTL: must be a number of seconds, got 'soon'",
        "PUBLISHER_BATCH_SIZE: must be less than or equal to 1000, got '1001'",
        "PUBLISHER_ROUTE_BACKOFF_MIN must be at most PUBLISHER_ROUTE_BACKOFF_MAX",
        "PUBLISHER_EMAIL_MAX_ATTEMPTS: must be greater than or equal to 1, got '0'",
        "PUBLISHER_LOG_FORMAT",
    )
    assert "5ecret" not in done.stderr


def test_servers_out_of_reach_are_named_without_a_password(publisher: Publisher) -> None:
    """A server that does not answer is a failure, exit code 1, whichever command needs it."""
    database = f"postgresql://ann:hush-5ecret@127.0.0.1:{free_port()}/name"
    needs_database = ["migrate", "routes list", "dead-letters list", "dead-letters requeue --all --yes"]
    for done in all_of(publisher, needs_database, DATABASE_URL=database):
        assert_refused(done, 1, "PostgreSQL is not available")
        assert "5ecret" not in done.stderr

    needs_redis = ["scheduler scan", "scheduler scan --wait"]
    for done in all_of(publisher, needs_redis, REDIS_URL=f"redis://default:hush-5ecret@127.0.0.1:{free_port()}/0"):
        assert_refused(done, 1, "Redis is not available")
        assert "5ecret" not in done.stderr


def test_a_database_that_was_not_migrated_says_what_to_do(
    publisher: Publisher, create_database: Callable[[str], str]
) -> None:
    """An old schema is a failure whose one line names the command that mends it."""
    commands = ["routes list", f"routes show {NOBODY}", "dead-letters list", "dead-letters requeue --all"]

    for done in all_of(publisher, commands, DATABASE_URL=create_database("template1")):
        assert_refused(done, 1, "run 'publisher migrate'")


def test_a_group_without_a_command_shows_its_help(publisher: Publisher) -> None:
    """The help stands on standard error, line by line, and the exit code is that of bad usage."""
    for arguments in [], ["routes"], ["intents", "losses"]:
        done = publisher(*arguments)

        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == publisher(*arguments, "--help").stdout
