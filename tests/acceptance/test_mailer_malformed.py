"""Entries of the email stream that are no command, or end their readers: set aside, and answered (R19, R33)."""

import redis

from publisher.channels.email import EMAIL
from storage.database import Database
from tests.integration.rows import execute, malformed_codes, rows
from tests.mail_commands import append_commands
from tests.mail_run import GROUP, answers, events, is_all_read, pending, states
from tests.processes import Processes
from tests.smtp_servers import Fault, HostileSmtp, Step
from tests.waiting import wait_until


def test_an_entry_that_is_no_command_is_set_aside_with_all_its_fields(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """It holds up nothing behind it (R19)."""
    entry = redis_client.xadd(EMAIL.stream, {"delivery_id": "x", "payload_json": "{", "more": b"\xff"})
    append_commands(database, redis_client)

    processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": 1})

    assert malformed_codes(database) == [(entry.decode(), "invalid_utf8")]
    [record] = rows(database, "SELECT stream, raw_fields FROM malformed_intents")
    assert record["stream"] == EMAIL.stream
    assert set(record["raw_fields"]) == {"delivery_id", "payload_json", "more"}
    wait_until(lambda: pending(redis_client) == 0)


def test_a_malformed_command_of_a_known_delivery_is_answered(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Its route says that it failed of its content, unless its message is sent already; no other does (R19, R33)."""
    sent, _ = append_commands(database, redis_client, 2)
    (_, first), (entry, second) = redis_client.xrange(EMAIL.stream)
    redis_client.xdel(EMAIL.stream, entry)
    mailer = processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": 1, None: 1}, describe=lambda: mailer.output)

    again = [redis_client.xadd(EMAIL.stream, fields | {b"payload_mode": b"raw"}) for fields in (first, second)]
    stranger = redis_client.xadd(EMAIL.stream, second | {b"payload_mode": b"raw", b"delivery_id": b"nobody's"})
    wait_until(lambda: answers(database) == {"accepted": 1, "failed": 1}, describe=lambda: mailer.output)
    wait_until(lambda: is_all_read(redis_client))

    codes = [(id_.decode(), "invalid_field") for id_ in (*again, stranger)]
    assert malformed_codes(database) == codes
    [event] = rows(database, "SELECT fault, diagnostic FROM delivery_events WHERE event = 'failed'")
    assert event == {
        "fault": "content",
        "diagnostic": "the command cannot be read: payload_mode: must be template",
    }
    assert events(database, sent) == ["accepted", "accepted"]
    assert states(database) == {"sent": 1, "given_up": 1}
    assert mailer.output.count("malformed command") == 3


def test_a_command_of_which_its_readers_died_ends_its_delivery(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """The sixth reader only says so, and sends nothing: nothing of it stays begun, and keeps its notification for ever.

    Its log does not say otherwise (R19, R33).
    """
    [delivery_id] = append_commands(database, redis_client)
    redis_client.xgroup_create(EMAIL.stream, GROUP, "0")
    [[_, [(entry, _)]]] = redis_client.xreadgroup(GROUP, "dead", {EMAIL.stream: ">"})
    redis_client.xclaim(EMAIL.stream, GROUP, "dead", 0, [entry], idle=3_600_000, retrycount=5)
    execute(
        database,
        "INSERT INTO mail_deliveries (delivery_id, route_key, state, entry_id, lease_token, lease_expires_at, begun_at)"
        " SELECT %s, id, 'begun', %s, 'dead', now() - interval '1 hour', now() - interval '2 hours' FROM routes",
        delivery_id,
        entry.decode(),
    )

    mailer = processes.start("mailer", PUBLISHER_ROUTE_LEASE_TTL="3")
    wait_until(lambda: answers(database) == {"failed": 1}, describe=lambda: mailer.output)

    assert malformed_codes(database) == [(entry.decode(), "poison")]
    assert states(database) == {"given_up": 1}
    assert smtp.taken == []
    assert "sent by a process that died: its delivery is taken over" in mailer.output
    assert "sent again" not in mailer.output
    wait_until(lambda: is_all_read(redis_client))


def test_a_kept_command_that_cannot_be_read_any_more_fails_alone(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Another release kept it, or somebody changed it: no process ends by it, and its route is answered (R33)."""
    smtp.always(Fault(Step.RCPT, reply="451 4.3.0 Later"))
    broken, good = append_commands(database, redis_client, 2)
    mailer = processes.start("mailer", PUBLISHER_MAIL_BACKOFF_MIN="1")
    wait_until(lambda: states(database) == {"waiting": 2}, describe=lambda: mailer.output)
    execute(database, "UPDATE mail_deliveries SET command = '{\"delivery_id\": 7}' WHERE delivery_id = %s", broken)
    smtp.calm()

    wait_until(lambda: answers(database) == {"accepted": 1, "failed": 1}, describe=lambda: mailer.output)

    assert [taken.delivery_id for taken in smtp.taken] == [good]
    assert mailer.returncode is None
