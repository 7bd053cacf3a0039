"""How long things are kept."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is over and done is kept; None: for ever.

    records: notifications with their routes, counted from the last change of any of them; malformed intents and
    operators' actions. keys: the idempotency keys of pruned notifications, counted from the pruning (R18). intents:
    acknowledged entries of the intents stream, so that they can be replayed into a restored database (R1).
    """

    records: timedelta | None
    keys: timedelta | None
    intents: timedelta | None


def kept_for(duration: timedelta) -> timedelta | None:
    """The duration as a setting gives it: zero means for ever."""
    return duration or None
