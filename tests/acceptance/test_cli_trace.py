"""`publisher trace`: the whole way, from an intent's entry to the outbound ones."""

import json
from typing import Any

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, PUSH, Outside
from tests.factories import INTENTS, intent, intent_fields
from tests.processes import Processes, run_on_terminal


def traced(publisher: Publisher, *arguments: str) -> list[dict[str, Any]]:
    """The lines that --json prints."""
    done = publisher("trace", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_intent_is_followed_to_the_outbound_streams(
    outside: Outside, processes: Processes, publisher: Publisher
) -> None:
    """From each id that an operator may hold, the same way: entry, notification, routes, outbound entries."""
    [entry] = outside.send(intent_fields(idempotency_key="turn-17", trace_id="t-1"))
    processes.start("worker")
    processes.start("intake")
    outside.wait_for_routes(published=2)
    id_ = intent(idempotency_key="turn-17").notification_id

    [by_entry, way] = traced(publisher, entry)

    assert (by_entry["kind"], by_entry["fate"], by_entry["notification_id"]) == ("entry", "accepted", id_)
    assert (way["kind"], way["intent_entry_id"], way["trace_id"]) == ("notification", entry, "t-1")
    assert [(r["route_id"], r["stream"], r["stream_entry_id"]) for r in way["routes"]] == [
        ("email:user:7", EMAIL, outside.redis.xrange(EMAIL)[0][0]),
        ("push:user:7", PUSH, outside.redis.xrange(PUSH)[0][0]),
    ]
    for other in ([id_], ["turn-17"], ["turn-17", "--producer", "game-service"]):
        assert [line["notification_id"] for line in traced(publisher, *other)] == [id_]
    [delivery] = traced(publisher, f"{id_}/push:user:7")
    assert [r["route_id"] for r in delivery["routes"]] == ["push:user:7"]


def test_a_command_is_followed_to_the_stream_where_it_stands(
    outside: Outside, processes: Processes, publisher: Publisher
) -> None:
    """After a deploy that renamed the stream, trace, explain and routes show name the one that has the command."""
    outside.send(intent_fields(idempotency_key="turn-17"))
    processes.start("worker")
    processes.start("intake")
    outside.wait_for_routes(published=2)
    delivery = f"{intent(idempotency_key='turn-17').notification_id}/email:user:7"

    for command in ("trace", "explain", "routes show"):
        renamed = publisher(*command.split(), delivery, PUBLISHER_EMAIL_STREAM="mail:new")
        assert (renamed.returncode, renamed.stderr) == (0, "")
        assert EMAIL in renamed.stdout
        assert "mail:new" not in renamed.stdout
        assert (
            f'"stream": "{EMAIL}"'
            in publisher(*command.split(), delivery, "--json", PUBLISHER_EMAIL_STREAM="mail:new").stdout
        )


def test_a_failed_attempt_stands_on_the_way(outside: Outside, processes: Processes, publisher: Publisher) -> None:
    """A route that cannot be encoded shows each of its attempts, as it was made by a real worker (R7)."""
    recipients = [{"user_id": "7", "email": "no address"}]
    outside.send(intent_fields(idempotency_key="bad", recipients_json=recipients, channels_json=["email"]))
    processes.start("worker", PUBLISHER_EMAIL_MAX_ATTEMPTS="2")
    processes.start("intake", PUBLISHER_EMAIL_MAX_ATTEMPTS="2")
    outside.wait_for_routes(dead_letter=1)

    [way] = traced(publisher, "bad")
    tree = publisher("trace", "bad").stdout

    [route] = way["routes"]
    assert [(f["attempt_number"], f["classification"]) for f in route["failures"]] == [
        (1, "payload_encoding_failed"),
        (2, "payload_encoding_failed"),
    ]
    steps = [line.partition("Z ")[2] for line in tree.splitlines() if "Z " in line]
    assert [step.split(",")[0].split(":")[0] for step in steps] == ["accepted", "attempts 1 to 2 failed", "given up"]


def test_entries_that_became_nothing_are_told(outside: Outside, processes: Processes, publisher: Publisher) -> None:
    """A malformed entry, a repetition and one that still waits are each told for what they are (R18, R19)."""
    _, again, bad = outside.send(
        intent_fields(idempotency_key="k"), intent_fields(idempotency_key="k"), {"producer": "x"}
    )
    intake = processes.start("intake")
    outside.wait_until_acknowledged()
    intake.kill()
    [late] = outside.send(intent_fields(idempotency_key="late"))

    fates = {entry: traced(publisher, entry)[0]["fate"] for entry in (again, bad, late)}

    assert fates == {again: "repetition", bad: "malformed", late: "waiting"}
    assert [line["kind"] for line in traced(publisher, again)] == ["entry", "notification"]
    assert "publisher malformed show" in publisher("trace", bad).stdout


def test_an_entry_that_a_dead_consumer_holds_names_it(outside: Outside, publisher: Publisher) -> None:
    """An entry that was read and never acknowledged says with whom it is (R20)."""
    [entry] = outside.send(intent_fields())
    outside.redis.xgroup_create(INTENTS, "notification-publisher", id="0")
    outside.redis.xreadgroup("notification-publisher", "dead-intake", {INTENTS: ">"})

    shown = publisher("trace", entry).stdout

    assert shown.startswith(f"entry {entry}  pending\n")
    assert "pending with intake consumer dead-intake" in shown


def test_hostile_text_is_printed_safely(outside: Outside, processes: Processes, environ: dict[str, str]) -> None:
    """An entry's own field names stand in its reason; a terminal obeys none of them."""
    [entry] = outside.send({"\x1b[31mred": "x"})
    processes.start("intake")
    outside.wait_until_acknowledged()

    code, shown = run_on_terminal("publisher", "trace", entry, environ=environ | {"NO_COLOR": "1"})

    assert code == 0
    assert "\x1b[31m" not in shown


def test_an_id_that_nothing_has_is_named(publisher: Publisher) -> None:
    """One line on standard error, exit code 1."""
    done = publisher("trace", "turn-18", "--producer", "game")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "publisher: nothing has the id 'turn-18'. Searched: every idempotency key of producer 'game'; the keys of the"
        " newest 10,000 malformed intents, without large ones; the request, trace and route ids of the newest 10,000"
        " notifications and routes. Not searched: the keys of intents that wait to be accepted; 'publisher status' says"
        " how many wait.\n"
    )


def test_without_redis_what_the_database_knows_is_told(
    outside: Outside, processes: Processes, publisher: Publisher
) -> None:
    """With Redis away the way is shown as far as PostgreSQL knows it, and what is missing is said."""
    [entry] = outside.send(intent_fields(idempotency_key="turn-17"))
    processes.start("intake")
    outside.wait_until_acknowledged()

    done = publisher("trace", entry, REDIS_URL="redis://127.0.0.1:1")

    assert done.returncode == 0
    assert "email:user:7" in done.stdout
    assert "publisher: the intents stream could not be asked: Redis is not available" in done.stderr


def test_a_complaint_is_wrapped_between_words_on_a_narrow_terminal(
    outside: Outside, processes: Processes, environ: dict[str, str]
) -> None:
    """No address and no word of it is cut in two."""
    [entry] = outside.send(intent_fields(idempotency_key="turn-17"))
    processes.start("intake")
    outside.wait_until_acknowledged()

    away = environ | {"REDIS_URL": "redis://127.0.0.1:1"}
    _, shown = run_on_terminal("publisher", "trace", entry, environ=away, columns=60)

    lines = shown.replace("\r", "").split("\n")
    begin = next(n for n, line in enumerate(lines) if line.startswith("publisher: the intents stream"))
    assert " ".join(lines[begin : begin + 4]).startswith(
        "publisher: the intents stream could not be asked: Redis is not available: connection refused (127.0.0.1:1, no"
        " TLS): see that Redis runs there, or correct REDIS_URL"
    )
    assert max(map(len, lines[begin : begin + 4])) <= 60
