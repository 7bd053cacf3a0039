"""Handing over: a new route is inserted already leased, for the worker that gets intake's message about it (R5, R14).

The worker reads such routes where it would claim others, which saves a row version and a commit. The lease is named in
the message: whoever holds the message holds the lease. It is short, and it counts no loss when it runs out (R5a): the
message may have been lost, and no worker seen it.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

_PREFIX = "handover:"

# The route's lease is of an attempt that a worker began, or of none: a handover has another token.
IS_CLAIMED = f"lease_token IS NOT NULL AND NOT starts_with(lease_token, '{_PREFIX}')"


@dataclass(frozen=True, slots=True)
class Handover:
    """The lease under which one transaction inserts its routes.

    streams: channel -> the stream of its commands, for each channel whose routes are handed over.
    lasts: how long the lease lasts.
    token: names the lease.
    """

    streams: Mapping[str, str]
    lasts: timedelta
    token: str = field(default_factory=lambda: f"{_PREFIX}{uuid.uuid4()}")


def is_handover(lease_token: str | None) -> bool:
    """Returns True if this is the token of a handover, and not of a claim."""
    return lease_token is not None and lease_token.startswith(_PREFIX)
