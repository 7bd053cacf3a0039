"""Verdicts of `publisher doctor` on the loss audits: overdue by three intervals is a failure (R12a)."""

from datetime import timedelta

import pytest

from publisher.doctor.checks.loss_audit import audits
from publisher.doctor.verdict import Diagnosis, Verdict
from storage.audit_states import AuditState
from tests.factories import INSTANT

MINUTE = timedelta(minutes=1)
INTERVAL = 5 * MINUTE


def state(age: float | None, unaudited: float | None, channel: str = "email") -> AuditState:
    """Last audited so many minutes ago, with something that nobody has audited for so many."""
    return AuditState(
        channel,
        INSTANT if age is not None else None,
        None if age is None else age * MINUTE,
        None if unaudited is None else unaudited * MINUTE,
    )


def said(*states: AuditState, working: float | None = 60, interval: timedelta = INTERVAL) -> Diagnosis:
    return audits(states, interval=interval, working=None if working is None else working * MINUTE)


@pytest.mark.parametrize(
    "fine",
    [
        pytest.param(state(14, 14), id="late, and not overdue"),
        pytest.param(state(600, None), id="nothing published since"),
        pytest.param(state(600, 2), id="published after a long silence"),
        pytest.param(state(None, None), id="a fresh deploy"),
        pytest.param(state(None, 10), id="a fresh deploy's first commands"),
        pytest.param(state(1, 16), id="a long walk that has just ended"),
    ],
)
def test_what_is_audited_or_needs_none_is_well(fine: AuditState) -> None:
    """A channel with nothing to look at is never overdue, however long ago it was audited."""
    assert said(fine).verdict is Verdict.OK


@pytest.mark.parametrize("overdue", [state(15.1, 15.1), state(None, 15.1), state(600, 20)])
def test_an_audit_overdue_by_three_intervals_is_a_failure(overdue: AuditState) -> None:
    """Workers are there, and have not audited: what Redis loses stays lost, and no deploy mends that."""
    found = said(overdue, state(1, 1, "push"))

    assert found.verdict is Verdict.FAILED
    assert "email: " in found.finding
    assert "push" not in found.finding
    assert "audit failed" in found.remedy


@pytest.mark.parametrize("working", [None, 2, 15])
def test_a_release_phase_is_not_held_up_by_workers_that_did_not_run(working: float | None) -> None:
    """After a pause of the service nobody has audited yet: a warning, for the release is what starts the workers."""
    found = said(state(60, 60), working=working)

    assert found.verdict is Verdict.WARNING
    assert "start workers" in found.remedy


def test_audits_that_are_off_say_so() -> None:
    """With PUBLISHER_AUDIT_WINDOW=0 nothing is overdue, and the line says why."""
    found = said(state(None, 600), interval=timedelta(0))

    assert (found.verdict, found.finding) == (Verdict.OK, "off: PUBLISHER_AUDIT_WINDOW is 0, see windows")
