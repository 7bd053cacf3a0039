"""How often a process does something for each channel."""

from publisher.publishing.throttle import Throttle


def test_at_most_once_in_so_many_seconds() -> None:
    """Each channel has a time of its own, which begins with the first time."""
    clock = [100.0]
    throttle = Throttle(1.0, lambda: clock[0])

    assert [throttle.is_time("email"), throttle.is_time("email"), throttle.is_time("push")] == [True, False, True]
    clock[0] = 101.0
    assert [throttle.is_time("email"), throttle.is_time("email")] == [True, False]
