"""Whether a server's clock agrees with this machine's."""

from dataclasses import dataclass
from datetime import timedelta

from publisher.doctor.verdict import Diagnosis, failed, ok, warning
from publisher.operations.wording import span

WARNING = timedelta(seconds=1)
FAILED = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A server's clock, read once. ahead: of this machine's clock at the middle of the round trip; may be negative."""

    ahead: timedelta
    round_trip: timedelta


def clock(server: str, reading: ClockReading) -> Diagnosis:
    """Judges what is certain alone: the clock was read at some moment of the round trip, nobody knows which."""
    uncertain = reading.round_trip / 2
    certain = max(timedelta(0), abs(reading.ahead) - uncertain)
    side = "behind" if reading.ahead < timedelta(0) else "ahead of"
    finding = f"{server} is {span(abs(reading.ahead))} {side} this machine, give or take {span(uncertain)}"
    remedy = "synchronise both clocks (NTP): routes are due by PostgreSQL's, entry ids are Redis's, logs this machine's"
    if certain > FAILED:
        return failed(finding, remedy)
    if certain > WARNING:
        return warning(finding, remedy)
    return ok(finding)
