"""The mark by which a route is cancelled, in SQL: since when it is to be cancelled, and by whom (R28).

    pending, failed ──mark──► cancelled                     no attempt was ever begun: no command can follow
                      └─────► marked ──ending──► cancelled  a tombstone stands in the place of the command
                                         └─────► published  the command stood already: the cancellation came too late

A marked route stays open, under the lease that it may have, and is claimed for no attempt any more. Once it is free,
the next pass over the routes that end without an attempt claims it (`claim_ending`).
"""

from publisher.domain.notification import RouteStatus
from storage.clock import NOW

# No attempt was begun: nobody holds it, and no claim, republishing or audit has ever changed it. Any other one may be
# in the hands of a worker that was paused, and appends its command late. Against that only a tombstone in Redis helps.
_UNTOUCHED = "routes.stream IS NULL AND routes.lease_token IS NULL AND routes.updated_at = routes.created_at"

# What an UPDATE of open routes sets. It reads the routes as they are under its lock. by: a parameter's name.
MARK = f"""cancel_requested_at = {NOW}, cancelled_by = %(by)s, updated_at = {NOW},
        status = CASE WHEN {_UNTOUCHED} THEN '{RouteStatus.CANCELLED}' ELSE status END,
        next_attempt_at = CASE WHEN {_UNTOUCHED} THEN NULL ELSE next_attempt_at END"""

# What every statement sets that opens a route again because it is to be sent: an earlier cancellation is over.
UNMARK = "cancel_requested_at = NULL, cancelled_by = NULL"
