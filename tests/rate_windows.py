"""Measures a stream against a rate limit: over every window of its entries, by the instants in their ids (R30)."""

from collections.abc import Iterable

from publisher.domain.rate_limit import RateLimit


def over_limit(entry_ids: Iterable[str], limit: RateLimit) -> float:
    """Returns how many entries the fullest of all windows holds beyond rate × time + burst; at most 0 if none does.

    entry_ids: in order. An id has whole milliseconds: a window may be a millisecond longer than it seems.
    """
    most, emptiest = float("-inf"), float("inf")
    for n, entry_id in enumerate(entry_ids):
        due = limit.per_second * int(entry_id.partition("-")[0]) / 1000
        # A window from any entry to this one holds n + 1 - first entries.
        emptiest = min(emptiest, n - due)
        most = max(most, n + 1 - due - emptiest)
    return most - limit.burst - limit.per_second / 1000
