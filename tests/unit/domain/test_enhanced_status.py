"""Enhanced status codes (RFC 3463): where one stands in a text, whose fault it names, and whether it lasts."""

import pytest

from publisher.domain.delivery_event import Fault, Permanence
from publisher.domain.enhanced_status import enhanced_status


@pytest.mark.parametrize(
    ("text", "fault", "permanence"),
    [
        ("5.1.1", Fault.RECIPIENT, Permanence.PERMANENT),
        ("550 5.1.8 bad sender", Fault.INFRASTRUCTURE, Permanence.PERMANENT),
        ("4.2.2", Fault.RECIPIENT, Permanence.TRANSIENT),
        ("5.2.2", Fault.RECIPIENT, Permanence.UNDETERMINED),
        ("5.2.3", Fault.CONTENT, Permanence.PERMANENT),
        ("5.3.4", Fault.CONTENT, Permanence.PERMANENT),
        ("4.4.7", Fault.INFRASTRUCTURE, Permanence.TRANSIENT),
        ("5.6.0", Fault.CONTENT, Permanence.PERMANENT),
        ("5.7.1", Fault.INFRASTRUCTURE, Permanence.PERMANENT),
        ("5.7.13", Fault.RECIPIENT, Permanence.PERMANENT),
        ("5.0.0", Fault.UNKNOWN, Permanence.PERMANENT),
        ("2.1.5", Fault.RECIPIENT, Permanence.UNDETERMINED),
    ],
)
def test_subject_and_detail_name_the_fault(text: str, fault: Fault, permanence: Permanence) -> None:
    """The subject says whose fault it is, unless the detail says it better; the class says whether it lasts."""
    status = enhanced_status(text)

    assert status is not None
    assert (status.fault, status.permanence) == (fault, permanence)


@pytest.mark.parametrize("text", ["", "550", "3.1.1", "192.0.2.55.1.1", "15.1.1", "5.1.1.1", "5.1234.1", "v5..1"])
def test_other_numbers_are_no_status(text: str) -> None:
    """Neither an address of a host nor a version is taken for one."""
    assert enhanced_status(text) is None
