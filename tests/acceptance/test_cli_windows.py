"""`--since` and `--until`: an empty result says which time was understood."""

import pytest

from tests.acceptance.conftest import Publisher

ASKED = "--since", "2026-03-14", "--until", "2026-03-14T10:26+01:00"
UNDERSTOOD = "from 2026-03-14 00:00:00.000Z to 2026-03-14 09:26:00.000Z"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("dead-letters requeue", f"0 matched (given up {UNDERSTOOD}), 0 requeued\n"),
        ("dead-letters discard", f"0 matched (given up {UNDERSTOOD}), 0 discarded\n"),
        ("routes republish", f"0 matched (published {UNDERSTOOD}), 0 republished\n"),
    ],
)
def test_an_empty_result_says_which_time_was_understood(publisher: Publisher, command: str, said: str) -> None:
    """So a mistaken day or time zone is seen, also in a script's output. Nothing is asked: there is nothing to do."""
    done = publisher(*command.split(), *ASKED)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(said)


def test_one_bound_is_said_alone(publisher: Publisher) -> None:
    """`--since` without `--until` reaches to now, and the other way round to the beginning."""
    since = publisher("dead-letters", "requeue", "--since", "2026-03-14")
    until = publisher("dead-letters", "requeue", "--until", "2026-03-14")

    assert since.stdout == "0 matched (given up from 2026-03-14 00:00:00.000Z on), 0 requeued\n"
    assert until.stdout == "0 matched (given up before 2026-03-14 00:00:00.000Z), 0 requeued\n"
