"""A verdict, several of them together, and how findings put durations, sizes and lists."""

from datetime import timedelta

import pytest

from publisher.doctor.verdict import Diagnosis, Verdict, failed, ok, together, unknown, warning
from publisher.operations.wording import names, size, span


def seconds(count: float) -> timedelta:
    """So many seconds."""
    return timedelta(seconds=count)


def test_without_complaints_all_is_well() -> None:
    """A check with nothing to complain of is ok, says what it saw, and has no remedy."""
    assert together([], "all 14 are there") == ok("all 14 are there")
    assert ok("all 14 are there").remedy == ""


def test_several_complaints_have_the_worst_verdict_first() -> None:
    """A check that fails in one respect has failed, and says that before its warnings."""
    complaints = [unknown("c", "look"), warning("b", "mend"), failed("a", "mend")]

    assert together(complaints, "") == Diagnosis(Verdict.FAILED, "a; b; c", "mend; look")


def test_what_is_unknown_is_no_failure() -> None:
    """A warning outweighs what could not be seen, and that outweighs what is well."""
    assert together([unknown("c", ""), warning("b", "")], "").verdict is Verdict.WARNING
    assert together([unknown("c", "")], "").verdict is Verdict.UNKNOWN


def test_a_hundred_complaints_are_one_readable_line() -> None:
    """The first five are told, the worst among them; of the others how many there are."""
    complaints = [warning(f"w{n}", f"mend {n}") for n in range(1001)] + [failed("the worst", "mend it")]

    said = together(complaints, "")

    assert said.finding == "the worst; w0; w1; w2; w3; and 997 more"
    assert said.remedy == "mend it; mend 0; mend 1; mend 2; mend 3"


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0, "0 ms"),
        (0.00042, "0.42 ms"),
        (0.25, "250 ms"),
        (1.5, "1.5 s"),
        (59, "59 s"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (100_800, "1 d 4 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(duration: float, text: str) -> None:
    """Durations are said as a person would."""
    assert span(seconds(duration)) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (512, "512 bytes"), (1536, "1.5 KiB"), (2**40, "1 TiB"), (2**52, "4.1e+03 TiB")]
)
def test_a_size_has_its_largest_unit(count: int, text: str) -> None:
    """Sizes are said as a person would."""
    assert size(count) == text


def test_a_long_list_says_how_many_more() -> None:
    """Five names are read, a thousand are not."""
    assert names(["a", "b"]) == "a, b"
    assert names([str(n) for n in range(1005)]) == "0, 1, 2, 3, 4 and 1,000 more"
    assert names([]) == ""
