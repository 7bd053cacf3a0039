"""Retries: a drain in which one route in ten fails once, and comes back after its backoff."""

import time

from publisher.local.embedded import Servers
from tests.benchmarks.drain import QUIET_CLOCK, scan_now
from tests.benchmarks.stage import seed, stage

# The encoder of the service's own email channel, made to fail the first attempt of every fifth email route: one
# route in ten. Installed for the worker as a startup module, since production code carries no such switch.
FAULT = """
import publisher.channels.email as email
from publisher.domain.errors import EncodingError

def failing(notification, route, encode=email.EMAIL.encode):
    if route.attempt_count == 0 and int(route.route_id.rpartition(":")[2]) % 5 == 0:
        raise EncodingError("the first attempt fails")
    return encode(notification, route)

object.__setattr__(email.EMAIL, "encode", failing)
"""


def retries_per_second(servers: Servers, routes: int) -> float:
    """Routes a second until the last one is published, with the failing ones among them."""
    environ = QUIET_CLOCK | {"PUBLISHER_ROUTE_BACKOFF_MIN": "0.5"}
    with stage(servers, environ) as on:
        seed(on, routes)
        on.start("worker", "clock", startup=FAULT)
        began = time.monotonic()
        scan_now(on)
        seen = on.wait_for_appended(routes)
        on.all_published(routes)
        failed = on.database.rows("SELECT count(*) FROM routes WHERE attempt_count = 1")[0][0]
        if failed != routes // 10:
            raise AssertionError(f"{failed} routes failed once, not {routes // 10}")
    return routes / (seen[-1][0] - began)
