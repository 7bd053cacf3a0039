"""How much each measurement does: as it should be, or so little that it only shows whether it runs."""

from dataclasses import dataclass

from tests.benchmarks.recommended import RATES


@dataclass(frozen=True)
class Size:
    """How much each measurement does."""

    routes: int = 100_000
    small: int = 10_000
    published: int = 1_000_000
    large: int = 1_000_000
    loop: int = 2_000
    intents: int = 20_000
    latency_seconds: float = 30
    idle_seconds: float = 30
    idle_before_first: float = 600
    steady_seconds: float = 600
    runs: int = 3
    startups: int = 15
    # A window and a half at 5,000 routes/s: what one audit looks at.
    audited: int = 4_500_000
    sized: int = 500_000
    rates: tuple[int, ...] = RATES
    rate_seconds: float = 60
    # What a service has after months.
    grown: int = 10_000_000
    rest_seconds: float = 60
    # Worker processes and intakes.
    fleets: tuple[tuple[int, int], ...] = ((1, 1), (2, 1), (4, 1), (2, 2), (4, 2))
    # As many of each: over one partition, and over four on four servers.
    spread: tuple[int, ...] = (1, 2, 4)
    # Commands that no group has read.
    unread: int = 1_000_000
    # Routes that wait for a rate limit.
    waiting: int = 100_000
    mails: int = 10_000
    # Published routes beside which the pages are asked for.
    shown: int = 5_000_000


TINY = Size(
    400,
    200,
    400,
    800,
    20,
    100,
    1,
    1,
    1,
    2,
    1,
    2,
    3_000,
    200,
    (10, 300),
    2,
    1_000,
    2,
    ((1, 1), (2, 2)),
    (1, 2),
    2_000,
    200,
    200,
    1_000,
)
