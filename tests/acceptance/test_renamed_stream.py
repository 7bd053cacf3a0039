"""A deploy renames a channel's stream: nothing is sent twice, and nothing is lost, by the real processes (R12, R15)."""

from collections import Counter

from tests.acceptance.deploy import ROUTES, deploy
from tests.acceptance.outside import EMAIL, Outside
from tests.processes import Processes

NEW = "mail:commands-2"


def deliveries(outside: Outside) -> Counter[str]:
    """How often each delivery stands, on both streams together."""
    return outside.deliveries(EMAIL) + outside.deliveries(NEW)


def test_a_deploy_that_renames_a_stream_sends_nothing_twice(
    processes: Processes, environ: dict[str, str], outside: Outside
) -> None:
    """Workers of both names overlap, those of the old one are killed in the middle, and audits go on: each once."""
    deploy(processes, environ, outside, PUBLISHER_EMAIL_STREAM=NEW)

    assert len(deliveries(outside)) == ROUTES
    assert set(deliveries(outside).values()) == {1}
    assert outside.statuses() == {"published": ROUTES}
    where = outside.rows("SELECT stream, count(*) FROM routes GROUP BY stream")
    assert {row["stream"]: row["count"] for row in where} == {
        stream: outside.redis.xlen(stream) for stream in (EMAIL, NEW) if outside.redis.xlen(stream)
    }
