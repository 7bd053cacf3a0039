"""`publisher mailer run`: commands become messages, each once, and every end of one is answered (R33)."""

import json
import signal
from collections import Counter

import redis

from publisher.channels.email import EMAIL
from publisher.domain.delivery_event import EventKind
from storage.answers.delivery_events import IncomingEvent, record_events
from storage.database import Database
from tests.acceptance.conftest import Publisher
from tests.acceptance.counters import metrics_port, scraped, served_port
from tests.factories import delivery_event
from tests.integration.rows import execute, rows
from tests.mail_commands import append_commands
from tests.mail_run import answers, events, is_all_read, states
from tests.processes import Processes
from tests.smtp_servers import Fault, HostileSmtp, Step
from tests.waiting import wait_until


def test_each_command_becomes_one_message_and_one_answer(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Whoever is told something gets one email, and its route says that it was accepted (R32, R33). Each is counted and
    timed (R25)."""
    deliveries = append_commands(database, redis_client, 300)

    port = served_port(processes.start("mailer", PUBLISHER_METRICS_PORT=metrics_port()))
    wait_until(lambda: answers(database) == {"accepted": 300})

    assert Counter(taken.delivery_id for taken in smtp.taken) == Counter(deliveries)
    assert {taken.recipient for taken in smtp.taken} == {f"u{n}@example.com" for n in range(300)}
    assert Counter(events(database)) == {"accepted": 300}
    assert states(database) == {"sent": 300}
    wait_until(lambda: is_all_read(redis_client))
    wait_until(lambda: scraped(port)["publisher_command_accepted_seconds_count"] == 300)
    assert scraped(port)['mail_messages_total{event="accepted"}'] == 300


def test_without_a_server_it_leaves_the_commands_to_others(
    database: Database, redis_client: redis.Redis, processes: Processes
) -> None:
    """It makes no group, so that it holds nothing back for another mail service, and ends in good order (R17)."""
    append_commands(database, redis_client)

    mailer = processes.start("mailer")
    mailer.wait_for_output("PUBLISHER_SMTP_URL is not set")
    mailer.signal(signal.SIGTERM)

    assert mailer.wait() == 0
    assert redis_client.xinfo_groups(EMAIL.stream) == []


def test_a_message_that_is_refused_for_now_is_tried_again(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """Its command is kept in PostgreSQL and its entry acknowledged, so that the stream is not held up (R33)."""
    smtp.once(*[Fault(Step.RCPT, reply="451 4.7.1 Greylisted, u0@example.com come again")] * 3)
    [delivery] = append_commands(database, redis_client)

    processes.start("mailer")
    wait_until(lambda: answers(database) == {"accepted": 1})

    assert events(database, delivery) == ["deferred", "deferred", "deferred", "accepted"]
    assert [taken.delivery_id for taken in smtp.taken] == [delivery]
    [row] = rows(database, "SELECT tries, unsure, command FROM mail_deliveries")
    assert row == {"tries": 3, "unsure": 0, "command": None}
    said = {row["diagnostic"] for row in rows(database, "SELECT diagnostic FROM delivery_events WHERE code = '451'")}
    assert said == {"451 4.7.1 Greylisted, u***@example.com come again"}


def test_a_message_that_was_tried_for_too_long_is_given_up(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """It is answered `failed`, as a system on the way failed, and not the address (R33)."""
    smtp.always(Fault(Step.RCPT, reply="451 4.3.0 Try again"))
    append_commands(database, redis_client)

    processes.start("mailer", PUBLISHER_MAIL_GIVE_UP_AFTER="0.5")
    wait_until(lambda: answers(database) == {"failed": 1})

    assert states(database) == {"given_up": 1}
    assert set(events(database)) == {"deferred", "failed"}
    assert rows(database, "SELECT fault, enhanced_code FROM delivery_events WHERE event = 'failed'") == [
        {"fault": "infrastructure", "enhanced_code": "4.4.7"}
    ]


def test_an_address_that_bounces_for_good_gets_nothing_more(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """The next message to it is answered `suppressed`, and not sent (R33)."""
    smtp.once(Fault(Step.RCPT, reply="550 5.1.1 No such user"))
    [first] = append_commands(database, redis_client)

    processes.start("mailer")
    wait_until(lambda: events(database, first) == ["bounced"])
    same_address = [{"user_id": "7", "email": "U0@Example.com"}]
    [second] = append_commands(database, redis_client, first=7, recipients_json=same_address)
    wait_until(lambda: events(database, second) == ["suppressed"])

    assert smtp.taken == []
    assert states(database) == {"given_up": 2}


def test_a_command_without_a_template_fails_and_names_the_file(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp, publisher: Publisher
) -> None:
    """The content is at fault: an operator is told so, adds the template, and publishes it again (R33)."""
    append_commands(database, redis_client, notification_type="no.such.template")

    processes.start("mailer")
    wait_until(lambda: answers(database) == {"failed": 1})

    [event] = rows(database, "SELECT fault, diagnostic FROM delivery_events")
    assert event["fault"] == "content"
    assert "no.such.template" in event["diagnostic"]
    told = json.loads(publisher("status", "--json").stdout)["verdict"]["findings"]
    [failed] = [finding for finding in told if finding["code"] == "answered_failed"]
    assert (failed["channel"], failed["count"]) == ("email", 1)
    [route] = publisher("routes", "list", "--answer", "failed", "--fault", "content", "--json").stdout.splitlines()
    assert json.loads(route)["answer"] == "failed"
    assert smtp.taken == []


def test_what_failed_is_sent_once_it_is_published_again(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """A new command begins a delivery anew that was given up (R33)."""
    smtp.once(Fault(Step.RCPT, reply="554 5.7.1 Blocked"))
    [delivery] = append_commands(database, redis_client)
    processes.start("mailer")
    wait_until(lambda: events(database, delivery) == ["bounced"])

    execute(database, "UPDATE routes SET answer = NULL, answered_at = NULL")
    append_commands(database, redis_client, replay=1)
    wait_until(lambda: events(database, delivery) == ["bounced", "accepted"])

    assert [taken.delivery_id for taken in smtp.taken] == [delivery]
    assert answers(database) == {"accepted": 1}


def test_a_command_that_comes_again_is_answered_and_not_sent(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """An operator published it again, or the loss audit did: the recipient gets nothing twice (R33)."""
    [delivery] = append_commands(database, redis_client)
    processes.start("mailer")
    wait_until(lambda: events(database, delivery) == ["accepted"])

    execute(database, "UPDATE routes SET answer = NULL, answered_at = NULL")
    append_commands(database, redis_client, replay=1)
    wait_until(lambda: answers(database) == {"accepted": 1})

    assert events(database, delivery) == ["accepted", "accepted"]
    assert len(smtp.taken) == 1
    wait_until(lambda: is_all_read(redis_client))


def test_a_bounce_stays_the_answer_of_a_message_that_is_not_sent_again(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """It came long after the message was sent, and its route was published again for that (R32, R33)."""
    [delivery] = append_commands(database, redis_client)
    processes.start("mailer")
    wait_until(lambda: events(database, delivery) == ["accepted"])
    bounced = delivery_event(delivery_id=delivery, event_id="b", event=EventKind.BOUNCED)
    with database.unit() as connection, connection.atomic():
        record_events(connection, [IncomingEvent(bounced)])

    execute(database, "UPDATE routes SET answer = NULL, answered_at = NULL")
    append_commands(database, redis_client, replay=1)
    wait_until(lambda: len(events(database, delivery)) == 3)

    assert answers(database) == {"bounced": 1}
    assert len(smtp.taken) == 1


def test_how_long_a_message_is_tried_counts_from_its_first_attempt(
    database: Database, redis_client: redis.Redis, processes: Processes, smtp: HostileSmtp
) -> None:
    """The server was away for days, and a process put the message back untried: its first refusal does not end it."""
    smtp.refuse()
    append_commands(database, redis_client)
    first = processes.start("mailer")
    wait_until(lambda: states(database) == {"begun": 1}, describe=lambda: first.output)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    execute(database, "UPDATE mail_deliveries SET begun_at = begun_at - interval '3 days'")
    smtp.listen()
    smtp.once(Fault(Step.RCPT, reply="451 4.7.1 Greylisted"))

    processes.start("mailer")

    wait_until(lambda: answers(database) == {"accepted": 1})
    assert events(database) == ["deferred", "accepted"]


def test_the_first_mailer_warns_of_commands_that_stood_on_the_stream_before(
    redis_client: redis.Redis, database: Database, processes: Processes, smtp: HostileSmtp
) -> None:
    """Its group is new, and another mail service may have sent them: how many, and how old the oldest is (R20)."""
    append_commands(database, redis_client, 3)

    mailer = processes.start("mailer")
    mailer.wait_for_output("the consumer group is new")

    [line] = [json.loads(line) for line in mailer.output.splitlines() if "the consumer group is new" in line]
    assert (line["level"], line["group"], line["entries"]) == ("warning", "mail-service", 3)
    assert 0 <= line["oldest_seconds"] < 3600


def test_a_group_that_begins_at_the_end_of_the_stream_sends_nothing_of_before(
    redis_client: redis.Redis, database: Database, processes: Processes, smtp: HostileSmtp
) -> None:
    """So an operator takes over from another mail service, as the guide to mail says."""
    append_commands(database, redis_client, 3)
    redis_client.xgroup_create(EMAIL.stream, "mail-service", "$")

    processes.start("mailer")
    [delivery] = append_commands(database, redis_client, first=3)
    wait_until(lambda: answers(database)["accepted"] == 1)

    assert [taken.delivery_id for taken in smtp.taken] == [delivery]
