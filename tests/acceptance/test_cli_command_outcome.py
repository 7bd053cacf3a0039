"""`publisher trace` and `publisher explain` of a published route end with what became of its command (R27)."""

import json
from typing import Any

import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, PUSH, Outside, users
from tests.factories import intent, intent_fields
from tests.processes import Processes, run_on_terminal

KEY = "turn-17"
ID = intent(idempotency_key=KEY).notification_id
HOSTILE = "evil \x1b[31m\ngroup \u202e"


@pytest.fixture
def sent(outside: Outside, processes: Processes) -> Outside:
    """An intent for three users by email and push, published by real processes."""
    outside.send(intent_fields(idempotency_key=KEY, recipients_json=users(3)))
    worker, intake = processes.start("worker"), processes.start("intake")
    outside.wait_for_routes(published=6)
    for process in (worker, intake):
        process.kill()
    return outside


def commands(publisher: Publisher, command: str) -> dict[str, dict[str, Any]]:
    """What --json says of each route's command, by route id."""
    done = publisher(command, ID, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    routes = lines if command == "explain" else [route for line in lines for route in line.get("routes", [])]
    return {route["route_id"]: route["command"] for route in routes}


def test_the_way_ends_with_what_each_group_did(sent: Outside, publisher: Publisher) -> None:
    """Acknowledged, held by a consumer, or not read yet behind others: in both commands, for people and programs."""
    redis = sent.redis
    redis.xgroup_create(EMAIL, "mail-service", "0")
    redis.xgroup_create(EMAIL, "audit", "0")
    [(_, [(first, fields), *_])] = redis.xreadgroup("mail-service", "mail-1", {EMAIL: ">"}, count=2)
    redis.xack(EMAIL, "mail-service", first)
    done, held, unread = [fields["delivery_id"].partition("/")[2] for _, fields in redis.xrange(EMAIL)]
    assert fields["delivery_id"] == f"{ID}/{done}"

    explained, traced = commands(publisher, "explain"), commands(publisher, "trace")
    tree, sentences = publisher("trace", ID).stdout, publisher("explain", ID).stdout

    audit, mail = explained[held]["groups"]
    assert {group["state"] for group in explained[done]["groups"]} == {"unread", "acknowledged"}
    assert (audit["group"], audit["state"], audit["unread_before"], audit["is_bound"]) == ("audit", "unread", 1, False)
    assert (mail["group"], mail["state"], mail["consumer"], mail["deliveries"]) == (
        *("mail-service", "pending", "mail-1"),
        1,
    )
    assert mail["idle_seconds"] < 60
    assert (explained[unread]["place"], explained[unread]["problem"]) == ("on_stream", None)
    assert explained[unread]["entry_id"] == redis.xrange(EMAIL)[2][0]
    assert {route_id: command["place"] for route_id, command in traced.items()} == {
        route_id: command["place"] for route_id, command in explained.items()
    }
    for shown in (tree, sentences):
        assert "Acknowledged by mail-service." in shown
        assert "Held by mail-1 of mail-service for " in shown
        assert "delivered 1 time." in shown
        assert "Not read yet by audit, 2 before it." in shown
        assert "Not read yet by mail-service, which comes to it next." in shown
        assert shown.count("No group reads the stream") == 3


def test_a_command_that_was_trimmed_after_all_had_read_it_is_told(sent: Outside, publisher: Publisher) -> None:
    """The stream no longer has it, and every group has gone past it with nothing pending."""
    for consumer in ("one", "two"):
        sent.redis.xgroup_create(EMAIL, f"{consumer}-group", "0")
        [(_, entries)] = sent.redis.xreadgroup(f"{consumer}-group", consumer, {EMAIL: ">"})
        sent.redis.xack(EMAIL, f"{consumer}-group", *(id_ for id_, _ in entries))
    sent.redis.xtrim(EMAIL, maxlen=0, approximate=False)
    sent.redis.delete(PUSH)

    tree = publisher("trace", ID).stdout

    assert tree.count("No longer on the stream: trimmed after all had read it (one-group, two-group).") == 3
    assert tree.count("Its stream is gone, and the groups with it") == 3
    assert {command["place"] for command in commands(publisher, "explain").values()} == {"trimmed", "no_stream"}


def test_names_of_strangers_are_printed_safely(sent: Outside, environ: dict[str, str]) -> None:
    """A terminal obeys no name of a group or a consumer, and its lines fit into 80 columns."""
    sent.redis.xgroup_create(EMAIL, HOSTILE, "0")
    sent.redis.xreadgroup(HOSTILE, HOSTILE, {EMAIL: ">"})

    for command in ("trace", "explain"):
        code, shown = run_on_terminal("publisher", command, ID, environ=environ | {"NO_COLOR": "1"})

        assert code == 0
        assert "\x1b[31m" not in shown
        assert "\u202e" not in shown
        assert "evil ?[31m" in shown
        assert max(len(line) for line in shown.splitlines() if "evil" in line) <= 80


@pytest.mark.stray_keys("plants a key of another type")
def test_a_stream_that_cannot_be_read_hides_nothing_else(sent: Outside, publisher: Publisher) -> None:
    """Another key has its name: that is told of its routes, and the others are told as ever (R35)."""
    sent.redis.delete(EMAIL)
    sent.redis.set(EMAIL, "x")
    sent.redis.xgroup_create(PUSH, "gateway", "0")

    explained = commands(publisher, "explain")

    assert "WRONGTYPE" in explained["email:user:0"]["problem"]
    assert (explained["email:user:0"]["place"], explained["email:user:0"]["groups"]) == (None, [])
    assert explained["push:user:0"]["groups"][0]["state"] == "unread"
    assert publisher("trace", ID).stdout.count("could not be read: Redis refused: WRONGTYPE") == 3


def test_without_redis_the_rest_stands(sent: Outside, publisher: Publisher) -> None:
    """The route's history is PostgreSQL's; that nobody could ask for its readers is a sentence at its end (R35)."""
    away = {"REDIS_URL": "redis://127.0.0.1:1"}

    for command in ("trace", "explain"):
        shown = publisher(command, ID, **away)
        told = publisher(command, ID, "--json", **away)

        assert (shown.returncode, told.returncode) == (0, 0)
        assert shown.stdout.count("published: mail:delivery_commands") == 3
        said = "What its readers did with it could not be read: Redis is not available: connection refused"
        assert shown.stdout.count(said) == 6
        assert '"problem": "Redis is not available: connection refused' in told.stdout


def test_a_route_without_a_command_asks_nobody(outside: Outside, processes: Processes, publisher: Publisher) -> None:
    """It is not published: nothing is told of readers, whether or not Redis is there."""
    outside.send(intent_fields(idempotency_key=KEY))
    processes.start("intake")
    outside.wait_for_routes(pending=2)

    done = publisher("explain", ID, REDIS_URL="redis://127.0.0.1:1")

    assert (done.returncode, done.stderr) == (0, "")
    assert "readers" not in done.stdout
    assert list(commands(publisher, "explain").values()) == [None, None]
