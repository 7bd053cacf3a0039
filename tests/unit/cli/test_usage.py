"""What the parser says of a command or option that does not exist: the one that was meant, if one is near."""

import pytest

from publisher.cli.app import run


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("losses", "there is no command 'losses' of 'publisher'; did you mean 'publisher intents losses'?"),
        ("statsu", "there is no command 'statsu' of 'publisher'; did you mean 'publisher status'?"),
        ("requeu", "there is no command 'requeu' of 'publisher'; did you mean 'publisher dead-letters requeue'?"),
        ("xyz", "there is no command 'xyz' of 'publisher': see 'publisher --help'"),
        (
            "malformed edit",
            "there is no command 'edit' of 'publisher malformed'; did you mean 'publisher malformed resubmit'?",
        ),
        ("routes lst", "there is no command 'lst' of 'publisher routes'; did you mean 'publisher routes list'?"),
        ("routes list --since 1h", "there is no option --since of 'publisher routes list'"),
        ("status --waatch", "there is no option --waatch of 'publisher status'; did you mean --watch?"),
        (
            "actions --since 1h",
            "there is no option --since of 'publisher actions'; did you mean 'publisher actions list --since'?",
        ),
        ("actions --nonsense", "there is no option --nonsense of 'publisher actions'"),
        ("explain -rf", "there is no option -r of 'publisher explain'; an id that begins with - is written behind --"),
        ("status -x", "there is no option -x of 'publisher status'"),
    ],
)
def test_the_one_that_was_meant_is_named(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is offered that is spelled otherwise; exit code 2."""
    assert run(line.split()) == 2
    assert capsys.readouterr().err == f"publisher: {said}\n"
