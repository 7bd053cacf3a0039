"""Reading a server's clock."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from publisher.doctor.checks.clocks import ClockReading

# The quickest of a few round trips tells a clock best: nothing was in its way.
_READINGS = 3


def read_clock(read: Callable[[], datetime]) -> ClockReading:
    """The server's clock against this machine's, by the quickest of a few round trips."""
    readings = []
    for _ in range(_READINGS):
        sent, began = datetime.now(UTC), time.perf_counter()
        theirs = read()
        round_trip = timedelta(seconds=time.perf_counter() - began)
        readings.append(ClockReading(theirs - (sent + round_trip / 2), round_trip))
    return min(readings, key=lambda reading: reading.round_trip)
