"""Remedies as the terminal words them: a command, or an option to give (R19)."""

from publisher.cli.remedies import remedy
from publisher.domain.rejection import RejectionCode
from publisher.operations.malformed import MalformedRemedy, remedy_of


def test_every_code_has_a_remedy() -> None:
    """Whatever the reason, an operator is told what to do, also for a code of a newer version."""
    assert all(remedy(code.value) for code in RejectionCode)
    assert "idempotency_key" in remedy("idempotency_conflict")
    assert "--unchanged" in remedy("unknown_channel")
    assert "edit it" in remedy("a_code_of_tomorrow")


def test_a_remedy_is_a_value() -> None:
    """A page asks for the value and shows a button; a code that this release lacks can be edited (R19)."""
    assert remedy_of("idempotency_conflict") is MalformedRemedy.CHANGE_KEY
    assert remedy_of("a_code_of_tomorrow") is MalformedRemedy.EDIT
    assert {remedy_of(code.value) for code in RejectionCode} == set(MalformedRemedy)
