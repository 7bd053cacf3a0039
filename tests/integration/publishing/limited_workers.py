"""Workers of a channel with a rate limit, and the routes that wait for it."""

from collections.abc import Callable

from publisher.domain.rate_limit import RateLimit
from publisher.publishing.publisher import Publisher
from storage.database import Database
from tests.integration.rows import all_routes

# So slow that no token comes while a test runs.
SLOW = RateLimit(0.001, 20)
Worker = Callable[..., Publisher]


def waiting(database: Database) -> set[tuple[str, int, str | None, int]]:
    """Status, attempts, lease and lost leases of the routes that are not published."""
    return {
        (row["status"], row["attempt_count"], row["lease_token"], row["lease_loss_count"])
        for row in all_routes(database)
        if row["status"] != "published"
    }
