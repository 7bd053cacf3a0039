"""Says how long finished records are kept."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished records are kept. None keeps them for ever.

    records: notifications with their routes, counted from the last change of any of them; also malformed intents and
        operators' actions.
    keys: the idempotency keys of pruned notifications, counted from the pruning (R18).
    intents: acknowledged entries of the intents stream, for a replay into a restored database (R1).
    events: acknowledged entries of the stream of delivery events.
    """

    records: timedelta | None
    keys: timedelta | None
    intents: timedelta | None
    events: timedelta | None


def kept_for(duration: timedelta) -> timedelta | None:
    """Returns the duration of a setting, in which zero means for ever: None."""
    return duration or None
