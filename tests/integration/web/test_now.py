"""The page Now shows the newest snapshot, whatever of it could be read."""

import redis
from starlette.testclient import TestClient

from publisher.operations.channels.channels import pause
from publisher.streams.given_up import GivenUpStreams
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database
from tests.integration.answered_routes import answer, published_routes
from tests.integration.rows import due_routes, execute
from tests.integration.web.conftest import Compose, Serve
from tests.named_streams import named_before


def test_now_shows_what_waits_on_each_channel(database: Database, serve: Serve) -> None:
    """The page says how many routes are due on a channel, that it is paused, by whom and why."""
    due_routes(database, 3)
    pause(database, "email", by="Ann", reason="<b>the</b> provider is down")
    text = serve().get("/").text
    assert "3 due on email: paused by Ann" in text
    assert '<a href="/channels">Channels</a>, or publisher channels resume email' in text
    assert "&lt;b&gt;the&lt;/b&gt; provider is down" in text
    assert "<b>the</b>" not in text


def test_what_was_answered_failed_is_told_and_leads_to_where_it_is_published_again(
    database: Database, serve: Serve
) -> None:
    """A template is broken: the page says so of each channel, and links to its failed routes (R32)."""
    [route] = published_routes(database, 1)
    answer(database, route, "failed", fault="content", diagnostic="template turn: no subject")
    client = serve()
    text = client.get("/").text
    assert "1 command on email was answered `failed` in the last hour" in text
    assert "content at fault: template turn: no subject" in text
    path = "/waiting/unanswered?answer=failed&channel=email"
    assert f'<a href="{path.replace("&", "&amp;")}">Answered failed</a>, or publisher routes list' in text
    assert "Publish 1 route again?" in client.get(path).text


def test_what_waits_on_a_stream_that_was_given_up_is_told(redis_client: redis.Redis, serve: Serve) -> None:
    """The page says which stream, how many entries wait there, and what to do (R37)."""
    redis_client.xadd("mail:before", {"n": 1})
    named_before(redis_client, "mail:before")
    GivenUpStreams(StreamServers(redis_client)).look()
    text = serve().get("/").text
    assert "1 entry waits on streams that were given up: mail:before on the Redis of REDIS_URL (1)" in text
    assert "with the settings of before as well, until all is read" in text


def test_equal_failures_stand_together_and_addresses_are_masked(database: Database, serve: Serve) -> None:
    """Failures alike are one line with a count and one of their notifications; an address in it is masked (R36)."""
    for route in due_routes(database, 2):
        execute(
            database,
            "INSERT INTO route_failures (route_key, attempt_number, classification, message, failed_at)"
            " VALUES (%s, 1, 'refused', 'no mailbox ann@example.com <i>', now())",
            route,
        )
    text = serve().get("/").text
    assert '<td class="number">2</td><td>email</td>' in text
    assert "no mailbox a***@example.com &lt;i&gt;" in text
    assert "ann@" not in text


def test_while_redis_is_away_the_page_stands(serve: Serve) -> None:
    """Redis is away: channels are shown, and that processes are not known (R35)."""
    page = serve({"REDIS_URL": "redis://127.0.0.1:1/0"}).get("/")
    assert page.status_code == 200
    assert "Redis could not be read" in page.text
    assert "published/s" in page.text


def test_while_postgresql_is_away_the_page_stands(serve: Serve) -> None:
    """PostgreSQL is away: processes are shown, and that channels are not known (R35)."""
    page = serve({"DATABASE_URL": "postgresql://someone@127.0.0.1:1/nothing"}).get("/")
    assert page.status_code == 200
    assert "PostgreSQL could not be read" in page.text
    assert "Processes:" in page.text


def test_before_the_first_snapshot_the_page_says_so(composed: Compose) -> None:
    """A process that has just started answers at once, and says what it waits for."""
    with TestClient(composed({}).application, base_url="http://127.0.0.1:8000") as client:
        assert "The first snapshot is being taken" in client.get("/").text
