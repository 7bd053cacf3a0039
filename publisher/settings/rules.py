"""The rules between settings: what one duration must be beside another."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

# The fields of the durations that are compared.
COMPARED = (
    *("route_backoff_min", "route_backoff_max", "route_lease_ttl", "scan_interval"),
    *("dedup_window", "audit_window", "retention"),
)


def broken_rules(of: Mapping[str, timedelta], wrong: set[str]) -> Iterator[str]:
    """The rules that do not hold, of those whose variables are right by themselves.

    of: the durations by field. wrong: the fields whose values are wrong by themselves.
    """
    rules = [
        (
            ("route_backoff_min", "route_backoff_max"),
            of["route_backoff_min"] <= of["route_backoff_max"],
            "PUBLISHER_ROUTE_BACKOFF_MIN must be at most PUBLISHER_ROUTE_BACKOFF_MAX",
        ),
        (
            ("dedup_window", "route_lease_ttl", "scan_interval"),
            of["dedup_window"] > of["route_lease_ttl"] + of["scan_interval"],
            "PUBLISHER_DEDUP_WINDOW must be longer than PUBLISHER_ROUTE_LEASE_TTL + PUBLISHER_SCAN_INTERVAL",
        ),
        (
            ("dedup_window", "audit_window"),
            of["dedup_window"] > of["audit_window"],
            "PUBLISHER_DEDUP_WINDOW must be longer than PUBLISHER_AUDIT_WINDOW",
        ),
        (
            # Within the window a new notification under a forgotten key would be taken for its command's repetition,
            # and within the audit's, which is shorter, a lost command would go unseen.
            ("retention", "dedup_window"),
            not of["retention"] or of["retention"] > of["dedup_window"],
            "PUBLISHER_RETENTION must be 0 or longer than PUBLISHER_DEDUP_WINDOW",
        ),
    ]
    return (message for fields, holds, message in rules if not holds and not wrong & set(fields))
