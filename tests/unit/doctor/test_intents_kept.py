"""Verdicts of `publisher doctor` on acknowledged intents: are they in PostgreSQL, and was none removed unread."""

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.doctor.checks import intents_kept
from publisher.doctor.verdict import Diagnosis, Verdict
from publisher.domain.loss import LossCause
from storage.accepting.losses import LossRecord
from storage.accepting.replays import ReplayReason, ReplayRecord
from tests.factories import INSTANT, INTENTS

OVER = ReplayRecord(
    7, INTENTS, ReplayReason.OTHER_SERVER, "1-0", "9-0", "9-0", INSTANT, INSTANT, 700, 600, left_out=0, silent=None
)
GOES_ON = replace(OVER, ended_at=None)
LOSS = LossRecord(3, INTENTS, LossCause.TRIMMED, "1-0", "9-0", 888, INSTANT, None, None)


def replayed(last: ReplayRecord | None = None, *, settled: bool = True, mark: str | None = "9-0") -> Diagnosis:
    return intents_kept.replayed(settled=settled, mark=mark, last=last)


def test_nothing_is_amiss_where_nothing_was_replayed() -> None:
    """The mark is told; before the first one there is nothing to tell."""
    assert replayed().finding == "every intent up to 9-0 is committed"
    assert replayed(mark=f"9-{2**64 - 1}").finding == "every intent before 10-0 is committed"
    assert replayed(mark=None).verdict is Verdict.OK


def test_a_replay_that_is_over_is_told_with_its_numbers() -> None:
    """When, how many of how many, and why it was done."""
    said = replayed(OVER)

    assert said.verdict is Verdict.OK
    assert "at 2026-03-14 09:26:53.589Z 600 of 700 were taken in again" in said.finding
    assert said.finding.endswith("it was restarted, or is another server")


def test_a_replay_that_goes_on_is_a_warning() -> None:
    """Until it is over, acknowledged intents may be missing."""
    said = replayed(GOES_ON)

    assert said.verdict is Verdict.WARNING
    assert said.finding.endswith("700 looked at, 600 taken in again")


@pytest.mark.parametrize(("minutes", "verdict"), [(1, Verdict.WARNING), (2, Verdict.FAILED)])
def test_a_replay_that_nobody_goes_on_with_fails_the_check(minutes: int, verdict: Verdict) -> None:
    """Its process is gone, and no intake has taken it over."""
    assert replayed(replace(GOES_ON, silent=timedelta(minutes=minutes))).verdict is verdict


def test_a_server_that_may_have_gone_back_is_a_warning() -> None:
    """The next intake looks for what is missing."""
    assert replayed(OVER, settled=False).verdict is Verdict.WARNING


def test_a_loss_fails_the_check_and_says_what_to_do() -> None:
    """How many, between which entries, and the command that ends the complaint."""
    said = intents_kept.lost([LOSS, LOSS])

    assert said.verdict is Verdict.FAILED
    assert said.finding.startswith("888 intents were removed from the stream unread, between 1-0 and 9-0, noticed at")
    assert said.finding.endswith("; and 1 losses before")
    assert said.remedy.endswith("publisher intents losses acknowledge 3")
    assert intents_kept.lost([replace(LOSS, entries=None)]).finding.startswith("an unknown number of intents")
    assert "--older-too" in intents_kept.lost([replace(LOSS, cause=LossCause.NOT_REPLAYED)]).remedy
    assert intents_kept.lost([]).verdict is Verdict.OK
