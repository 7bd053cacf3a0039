"""The first hour of a newcomer: `publisher up` in one terminal, every other command in a second one."""

import pytest

from tests.acceptance.first_hour import FirstHour
from tests.acceptance.local_run import PATIENCE, Descendants

# A story is many commands, each a process of its own.
pytestmark = pytest.mark.timeout(600)


def test_up_serves_the_commands_of_a_second_terminal(hour: FirstHour, descendants: Descendants) -> None:
    """In the folder of `up` no variable is set, and each command finds its servers. The command that `up` shows sends
    an intent, which can be followed. Ctrl-C ends `up` in good order."""
    hour.environ = dict.fromkeys(hour.environ)
    hour.environ |= {"MARK": descendants.mark, "TMPDIR": str(hour.folder)}
    hour.types("publisher --version", says="0.1.0")
    up = hour.begins("publisher up")
    screen = up.wait_for("Stop: ", within=PATIENCE)
    hour.judges("up", "publisher up", screen)

    [shown] = [line for line in screen.printed if "publisher intents send" in line]
    hour.types(shown.partition(": ")[2], screen="first-intent", says="1 sent")
    hour.types("publisher status", screen="status-beside-up")
    hour.types("publisher doctor", says="checks:", screen="doctor-beside-up")

    up.type("\x03")
    ended = up.wait(PATIENCE)
    hour.judges("up-ended", "publisher up", ended, says="stopped")
    assert ended.code == 0
    descendants.wait_until_gone()
