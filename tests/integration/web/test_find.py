"""The page Find: what an id leads to, and what is shown when a server is away (R27, R32, R35)."""

import html
import re
import socket
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from starlette.testclient import TestClient

from publisher.domain.loss import LossCause
from publisher.streams.servers.connection import open_redis
from publisher.streams.servers.stream_servers import StreamServers
from publisher.web.reading import Reading
from storage.accepting.losses import record_loss
from storage.database import Database
from tests.factories import INTENTS, accepted, intent
from tests.integration.rows import FINAL, change, execute
from tests.integration.web.conftest import Serve
from tests.integration.web.one_route import FIELDS, buried

if TYPE_CHECKING:
    import redis
    from starlette.applications import Starlette

SCRIPT = "<script>alert(1)</script>"


def test_the_way_of_an_intent_is_shown_from_its_entry_to_what_may_be_done(
    page: TestClient, database: Database, route: int
) -> None:
    """Each part of `explain` stands at its route, and each remedy is a button beside the command line it equals."""
    buried(database, route)
    for id_ in ("turn-17", f"route:{route}", "0-1", intent(**FIELDS).notification_id):
        text = page.get("/find", params={"id": id_}).text
        assert "key turn-17" in text
        assert "dead_letter" in text
        assert "gateway_stream_publish_failed" in text
        assert f"publisher dead-letters requeue route:{route}" in text
        assert "given up: a dead letter" in text
        assert "&#34;turn&#34;: 17" in text


def test_an_id_of_several_things_is_answered_with_each_as_a_link(page: TestClient, database: Database) -> None:
    """Nothing is guessed: each thing of the number is a link to its own page."""
    execute(
        database,
        "INSERT INTO operator_actions (id, action, by, target, matched, begun_at) OVERRIDING SYSTEM VALUE"
        " VALUES (51, 'prune', 'bob', '{}', 0, now())",
    )
    execute(database, "SELECT setval(pg_get_serial_sequence('intents_losses', 'id'), 50)")
    record_loss(database, INTENTS, LossCause.TRIMMED, "1-0", "2-0", 1)
    several = page.get("/find?id=51")
    assert several.status_code == 200
    assert "&#39;51&#39; names 2 things" in several.text
    assert 'href="/actions/51"' in several.text
    other = page.get("/find?id=action:51").text
    assert "is action 51, prune by bob" in other
    assert 'href="/actions/51"' in other


def test_an_id_that_nothing_has_is_told_with_near_ones(page: TestClient, database: Database, route: int) -> None:
    """A key that is nearly the same is a link."""
    unknown = page.get("/find?id=turn-71")
    assert unknown.status_code == 404
    assert 'href="/find?id=turn-17"' in unknown.text


def test_no_id_breaks_the_page(page: TestClient) -> None:
    """Whatever is looked for is answered, and stands in the page as text."""
    ids = {"x" * 500: 404, "x" * 5_000: 400, "a\0b": 400, SCRIPT: 404, "1-1\n\x1b[31m": 404, "\ufdfd\u00e9" * 99: 404}
    for id_, status in ids.items():
        answer = page.get("/find", params={"id": id_, "routes": "-7"})
        assert answer.status_code == status
        assert SCRIPT not in answer.text
        assert 'name="id"' in answer.text


def test_script_in_every_field_is_text(page: TestClient, database: Database) -> None:
    """What a producer wrote into any field is shown as it is, and never obeyed."""
    fields: dict[str, Any] = {
        **dict.fromkeys(("idempotency_key", "request_id", "trace_id"), SCRIPT),
        "payload_json": {SCRIPT: SCRIPT},
        "recipients_json": [{"user_id": SCRIPT}],
    }
    fields["channels_json"] = ["push"]
    accepted(database, [fields])
    execute(
        database,
        "UPDATE routes SET last_failure_message = %s, attempt_count = 1,"
        " last_failure_classification = 'x', last_failure_at = now(), status = 'failed'",
        SCRIPT,
    )
    text = page.get("/find", params={"id": intent(**fields).notification_id}).text
    assert SCRIPT not in text
    assert text.count("&lt;script&gt;") >= 7


def test_a_thousand_routes_are_shown_page_by_page(page: TestClient, database: Database) -> None:
    """The first twenty, then more by a link."""
    accepted(
        database,
        [
            {
                "idempotency_key": "all",
                "recipients_json": [{"user_id": str(n)} for n in range(30)],
                "channels_json": ["push"],
            }
        ],
    )
    first = page.get("/find?id=all").text
    assert first.count('<details class="route"') == 20
    assert "20 of 30 routes" in first
    [more] = re.findall(r'href="([^"]*routes=100)"', first)
    assert page.get(html.unescape(more)).text.count('<details class="route"') == 30


def test_without_redis_what_postgresql_knows_is_shown(serve: Serve, database: Database, route: int) -> None:
    """Redis that is away is said where it would have been asked, and the rest stands (R35)."""
    change(database, [route], f"{FINAL['published']}, stream_entry_id = '9-9', stream = 's'")
    text = serve({"REDIS_URL": "redis://127.0.0.1:1/0"}).get("/find?id=turn-17").text
    assert "What its readers did with it could not be read" in text
    assert "publisher routes republish" in text


def test_a_redis_that_hangs_takes_nothing_else_from_the_page(page: TestClient, database: Database, route: int) -> None:
    """What PostgreSQL knows stands in time, and the page says that Redis was not read (R35)."""
    change(database, [route], f"{FINAL['published']}, stream_entry_id = '9-9', stream = 's'")
    state = cast("Starlette", page.app).state
    with socket.create_server(("127.0.0.1", 0)) as silent, closing(Reading(3, timedelta(seconds=0.3))) as reading:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with closing(open_redis(url, timeout=timedelta(seconds=2), client_name="test")) as hanging:
            state.context = replace(state.context, reading=reading, servers=StreamServers(hanging))
            text = page.get("/find?id=turn-17").text
    assert "What Redis knows of it could not be read" in text
    assert "publisher routes republish" in text


def test_who_has_read_the_command_is_shown(
    page: TestClient, database: Database, route: int, redis_client: "redis.Redis"
) -> None:
    """The groups of the stream, and how far each is with this command (R27)."""
    redis_client.xadd("mail", {"a": "b"}, id="9-9")
    redis_client.xgroup_create("mail", "mailer", id="0")
    redis_client.xreadgroup("mailer", "m1", {"mail": ">"})
    change(database, [route], f"{FINAL['published']}, stream_entry_id = '9-9', stream = 'mail'")
    assert "Held by m1 of mailer" in page.get("/find?id=turn-17").text
