"""Faults put between a caller and what it calls."""

import threading
from collections.abc import Callable
from typing import Any


class Failing:
    """A function that fails while `failing` is set, after or before it has done its work."""

    def __init__(self, whole: Callable[..., Any], error: Exception, *, after_work: bool = False) -> None:
        self.failing = threading.Event()
        self.failures = 0
        self._whole, self._error, self._after_work = whole, error, after_work

    def __call__(self, *arguments: Any) -> Any:
        if not self.failing.is_set():
            return self._whole(*arguments)
        if self._after_work:
            self._whole(*arguments)
        self.failures += 1
        raise self._error
