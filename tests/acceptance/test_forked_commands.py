"""A command that the tests fork is the one that a shell starts."""

import pytest

from tests.acceptance.forked_commands import Forks
from tests.processes import run_command


@pytest.mark.parametrize("command", ["channels list", "routes show nonsense", "intents send -"])
def test_a_forked_command_does_what_a_started_one_does(environ: dict[str, str], forks: Forks, command: str) -> None:
    """Exit code, output and complaint are the same, whatever comes on standard input."""
    started = run_command("publisher", *command.split(), environ=environ, stdin="{")
    forked = forks.run(command.split(), environ, stdin=b"{")

    assert (forked.code, forked.stdout.decode(), forked.stderr.decode()) == (
        started.returncode,
        started.stdout,
        started.stderr,
    )


def test_forked_commands_share_nothing(environ: dict[str, str], forks: Forks) -> None:
    """Each has the variables that it is given, and none of the command before it."""
    refused = forks.run(["channels", "list"], environ | {"PUBLISHER_BATCH_SIZE": "none"})
    listed = forks.run(["channels", "list"], environ)

    assert refused.code == 2
    assert b"PUBLISHER_BATCH_SIZE" in refused.stderr
    assert (listed.code, listed.stderr) == (0, b"")
