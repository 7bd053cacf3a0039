"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, within: float = 20.0, describe: Callable[[], object] = lambda: "") -> T:
    """What condition returned once it was truthy. Fails after `within` seconds, with what `describe` says then."""
    deadline = time.monotonic() + within
    while True:
        asked = time.monotonic()
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {describe()}")
        # Who waits leaves the processor to those that are waited for, the longer the more the question costs.
        time.sleep(min(0.2, max(0.02, 3 * (time.monotonic() - asked))))
