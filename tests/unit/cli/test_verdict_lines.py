"""How a verdict is worded: a line for each finding, and the same words in JSON."""

import io
from datetime import timedelta

import pytest
from rich.console import Console, Group

from publisher.cli.views.verdict import verdict_lines
from publisher.operations.verdict.verdict import Cause, Finding, Level, Verdict
from publisher.operations.verdict.wording import remedy, said, verdict_fields

MINUTES = timedelta(minutes=6, seconds=0.7)
FAILED, WARNING, OK = Level


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (Finding(OK, Cause.ALL_WELL), "all is well"),
        (Finding(FAILED, Cause.NO_WORKER, count=1000, lasting=MINUTES), "1,000 due for 6m: no worker runs"),
        (Finding(WARNING, Cause.NO_WORKER), "no worker runs"),
        (
            Finding(FAILED, Cause.NO_INTAKE, count=None, lasting=timedelta(milliseconds=3)),
            "an unknown number of intents waits to be accepted, the oldest for 1s: no intake runs",
        ),
        (
            Finding(FAILED, Cause.NO_INTAKE, count=1, lasting=MINUTES),
            "1 intent waits to be accepted, the oldest for 6m: no intake runs",
        ),
        (
            Finding(WARNING, Cause.INTENTS_LATE, count=12, lasting=MINUTES),
            "12 intents wait to be accepted, the oldest for 6m: an intake runs, and does not keep up",
        ),
        (
            Finding(WARNING, Cause.PAUSED, "push", 8012, lasting=MINUTES, by="ann", detail="gateway moves"),
            "8,012 due on push: paused by ann 6m ago, until it is resumed: gateway moves",
        ),
        (
            Finding(WARNING, Cause.PAUSED, "push", lasting=MINUTES, by="ann", detail="gateway moves"),
            "push is paused by ann 6m ago, until it is resumed: gateway moves",
        ),
        (
            Finding(WARNING, Cause.HOLDS, None, 2, lasting=MINUTES, by="ann", detail="a wrong price"),
            "2 holds in force, the newest by ann 6m ago: a wrong price",
        ),
        (
            Finding(WARNING, Cause.HELD_MAIL, count=1, lasting=MINUTES),
            "1 message held, the newest 6m ago: the SMTP server may have accepted it",
        ),
        (
            Finding(WARNING, Cause.NO_MAIL, count=1, lasting=MINUTES, detail="connection refused (smtp://h:25)"),
            "1 mailer can send no mail for 6m: connection refused (smtp://h:25)",
        ),
        (
            Finding(FAILED, Cause.CIRCUIT_OPEN, "push", 3, lasting=MINUTES, detail="Redis refused: OOM"),
            "3 due on push: parked for 6m, its stream takes no commands: Redis refused: OOM",
        ),
        (
            Finding(FAILED, Cause.HELD_BACK, "push", 3, lasting=MINUTES, detail="mail is 9 commands behind"),
            "3 due on push: held back for 6m by the stream's ceiling: mail is 9 commands behind",
        ),
        (
            Finding(WARNING, Cause.DEAD_LETTERS, count=1, lasting=MINUTES, detail="lease_expired"),
            "1 dead letter, the newest 6m ago: lease_expired",
        ),
        (
            Finding(WARNING, Cause.MALFORMED, count=10_000, is_bound=True, lasting=MINUTES, detail="invalid_json"),
            "at least 10,000 malformed intents, the newest 6m ago: invalid_json",
        ),
        (
            Finding(FAILED, Cause.LOSSES, count=2, lasting=MINUTES),
            "2 losses of intents not acknowledged, the newest noticed 6m ago",
        ),
        (
            Finding(FAILED, Cause.AUDIT_OVERDUE, "push", None),
            "the loss audit of push is overdue: none has ended yet",
        ),
        (
            Finding(OK, Cause.NOTHING_SENT, missing=["worker", "clock", "intake"]),
            "nothing was ever sent, and no worker, clock or intake runs",
        ),
        (
            Finding(WARNING, Cause.PAUSED, "p{x}", 1, by="a\nb", detail="\x1b[31m{y}"),
            "1 due on p{x}: paused by a b, until it is resumed: ?[31m{y}",
        ),
    ],
)
def test_a_finding_is_one_line(finding: Finding, line: str) -> None:
    """How many, for how long, and why; what strangers wrote is printable and on the same line."""
    assert said(finding) == line


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_its_words(cause: Cause) -> None:
    """With and without a number, and with a remedy unless all is well."""
    for count in (0, 1, 2, None):
        finding = Finding(WARNING, cause, "push", count, lasting=MINUTES, by="ann", detail="why")
        assert said(finding)
        assert "{" not in said(finding) + remedy(finding)
        assert bool(remedy(finding)) or cause in {Cause.ALL_WELL, Cause.SCHEMA_BEHIND}


def test_each_finding_is_a_line_with_its_remedy() -> None:
    """The worst first; a line that is too long goes on below, further to the right, and its command stays whole."""
    verdict = Verdict(
        [
            Finding(FAILED, Cause.NO_WORKER, count=9),
            Finding(WARNING, Cause.DEAD_LETTERS, count=2, detail="lease_expired"),
        ]
    )
    file = io.StringIO()
    Console(file=file, width=44, color_system=None).print(Group(*verdict_lines(verdict)), crop=False)

    assert [line.rstrip() for line in file.getvalue().splitlines()] == [
        "9 due: no worker runs →",
        "  dramatiq publisher.actors",
        "2 dead letters, the newest: lease_expired",
        "  → publisher dead-letters list",
    ]


def test_json_has_the_worst_and_all() -> None:
    """Level and code are stable names; the text is the same as on the screen."""
    verdict = Verdict([Finding(FAILED, Cause.NO_WORKER, count=9, lasting=MINUTES), Finding(WARNING, Cause.NO_CLOCK)])

    fields = verdict_fields(verdict)

    assert {name: fields[name] for name in ("level", "code", "text")} == {
        "level": "failed",
        "code": "no_worker",
        "text": "9 due for 6m: no worker runs",
    }
    assert isinstance(fields["findings"], list)
    assert [(found["code"], found["count"], found["seconds"]) for found in fields["findings"]] == [
        ("no_worker", 9, 360.7),
        ("no_clock", 0, None),
    ]
