"""Remedies of malformed intents as the terminal words them: a command, or an option to give (R19)."""

from publisher.domain.rejection import RejectionCode
from publisher.operations.malformed.records import MalformedRemedy, remedy_of
from publisher.operations.malformed.remedies import remedy, remedy_commands


def test_every_code_has_a_remedy() -> None:
    """Whatever the reason, an operator is told what to do, also for a code of a newer version."""
    assert all(remedy(code.value) for code in RejectionCode)
    assert "idempotency_key" in remedy("idempotency_conflict")
    assert "unchanged" in remedy("unknown_channel")
    assert "correct it" in remedy("a_code_of_tomorrow")


def test_every_remedy_has_commands_to_paste() -> None:
    """Each names the intent; one that was refused for its fields is never sent again as it is (R19)."""
    assert all(remedy_commands(code.value, 17) for code in RejectionCode)
    assert remedy_commands("missing_field", 17) == {
        "corrected in $VISUAL or $EDITOR": ["publisher malformed resubmit 17"],
        "corrected in a file": [
            "publisher malformed show 17 --form > malformed-17.json",
            "publisher malformed resubmit 17 --file malformed-17.json",
        ],
    }
    assert remedy_commands("poison", 17) == {"unchanged": ["publisher malformed resubmit 17 --unchanged"]}


def test_a_remedy_is_a_value() -> None:
    """A page asks for the value and shows a button; a code that this release lacks can be edited (R19)."""
    assert remedy_of("idempotency_conflict") is MalformedRemedy.CHANGE_KEY
    assert remedy_of("a_code_of_tomorrow") is MalformedRemedy.EDIT
    assert {remedy_of(code.value) for code in RejectionCode} == set(MalformedRemedy)
