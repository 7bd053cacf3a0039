"""How often a process does something for each channel."""

from actors.pace import Pace


def test_at_most_once_in_so_many_seconds() -> None:
    """Each channel has a pace of its own, which begins with the first time."""
    clock = [100.0]
    pace = Pace(1.0, lambda: clock[0])

    assert [pace.is_time("email"), pace.is_time("email"), pace.is_time("push")] == [True, False, True]
    clock[0] = 101.0
    assert [pace.is_time("email"), pace.is_time("email")] == [True, False]
