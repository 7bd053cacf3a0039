"""The mark by which a route is cancelled, in SQL: since when it is to be cancelled, and by whom (R28).

    pending, failed ──mark──► cancelled                     no attempt was ever begun: no command can follow
                      └─────► marked ──ending──► cancelled  a tombstone stands in the place of the command
                                         └─────► published  the command stood already: the cancellation came too late

A marked route stays open, under the lease that it may have, and is claimed for no attempt any more. Once it is free,
the next pass over the routes that end without an attempt claims it (`claim_ending`).
A dead letter is reopened as a marked route: its command may stand on the stream.
"""

from publisher.domain.notification import RouteEvent, RouteStatus
from storage.clock import NOW
from storage.outcomes.transitions import allowing, following

# No attempt was begun: nobody holds it, and no claim, republishing or audit has ever changed it. Any other one may be
# in the hands of a worker that was paused, and appends its command late. Against that only a tombstone in Redis helps.
_UNTOUCHED = "routes.stream IS NULL AND routes.lease_token IS NULL AND routes.updated_at = routes.created_at"

# The condition that an open route may be marked. Each is marked once.
MARKABLE = f"{allowing(RouteEvent.CANCELLED)} AND routes.cancel_requested_at IS NULL"

# Who cancels: an operator by name, a producer with a word before its name.
BY_OPERATOR = "%(by)s"
BY_PRODUCER = "'producer ' || n.producer"

# What every statement sets that opens a route again because an operator wants it sent: an earlier cancellation is over.
# The loss audit does not: what was to be cancelled, and was lost by Redis, is not sent again.
UNMARK = "cancel_requested_at = NULL, cancelled_by = NULL"


def mark(by: str) -> str:
    """Returns what an UPDATE of open routes sets. It reads the routes as they are under its lock. by: an expression."""
    return f"""cancel_requested_at = {NOW}, cancelled_by = {by}, updated_at = {NOW},
        status = CASE WHEN {_UNTOUCHED} THEN '{RouteStatus.CANCELLED}' ELSE routes.status END,
        next_attempt_at = CASE WHEN {_UNTOUCHED} THEN NULL ELSE routes.next_attempt_at END"""


def reopen(by: str) -> str:
    """Returns what an UPDATE of routes that are dead letters sets. by: an expression."""
    return f"""{following(RouteEvent.DEAD_LETTER_CANCELLED)}, cancel_requested_at = {NOW}, cancelled_by = {by},
        dead_letter_id = NULL, dead_lettered_at = NULL, lease_loss_count = 0, requeues = requeues + 1,
        next_attempt_at = {NOW}, updated_at = {NOW}"""
