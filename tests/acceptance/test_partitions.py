"""Streams in partitions, by the real processes: everything goes its way once, whatever their number was (R20, R37)."""

import json
import signal
from collections import Counter

import pytest

from tests.acceptance.conftest import Publisher
from tests.acceptance.outside import EMAIL, PUSH, Outside, users
from tests.factories import INTENTS, intent_fields
from tests.mail_commands import PAYLOAD, TEMPLATE
from tests.processes import Process, Processes
from tests.smtp_servers import HostileSmtp
from tests.waiting import wait_until

_INTENTS, _USERS = 30, 4


@pytest.fixture
def partitions(environ: dict[str, str]) -> dict[str, int]:
    """Three partitions for intents, four for emails, two for pushes."""
    numbers = {"INTENTS": 3, "EMAIL": 4, "PUSH": 2}
    environ |= {f"PUBLISHER_{name}_PARTITIONS": str(number) for name, number in numbers.items()}
    environ |= {"PUBLISHER_ROUTE_LEASE_TTL": "3", "PUBLISHER_AUDIT_WINDOW": "5"}
    return numbers


def lines(first: int) -> str:
    """Intents as JSON lines, each to a few users by email and push."""
    intents = [
        intent_fields(
            notification_type=TEMPLATE,
            idempotency_key=f"order-{first + number}",
            recipients_json=users(_USERS),
            payload_json=PAYLOAD,
        )
        for number in range(_INTENTS)
    ]
    return "".join(
        json.dumps(
            {
                name.removesuffix("_json"): json.loads(value) if name.endswith("_json") else value
                for name, value in intent.items()
            }
        )
        + "\n"
        for intent in intents
    )


def on_partitions(outside: Outside, stream: str) -> Counter[str]:
    """How often each delivery stands, on any number of partitions that the stream had."""
    return sum((outside.deliveries(f"{stream}:{{{number}}}") for number in range(8)), Counter())


def all_sent(smtp: HostileSmtp, times: int) -> bool:
    """Whether so many batches of emails have come."""
    return len(smtp.taken) == times * _INTENTS * _USERS


def test_intents_emails_and_pushes_in_partitions(
    processes: Processes, outside: Outside, publisher: Publisher, smtp: HostileSmtp, partitions: dict[str, int]
) -> None:
    """Sent by the command, taken in, published and mailed, each once; a deploy then has other numbers of partitions."""
    running: list[Process] = [processes.start(name) for name in ("worker", "clock", "intake", "mailer")]
    sent = publisher("intents", "send", "-", "--json", stdin=lines(0))
    assert sent.returncode == 0, sent.stderr
    routes = 2 * _INTENTS * _USERS
    outside.wait_for_routes(published=routes)
    wait_until(lambda: all_sent(smtp, 1), describe=lambda: len(smtp.taken))

    assert all(outside.redis.xlen(f"{INTENTS}:{{{number}}}") for number in range(partitions["INTENTS"]))
    assert not outside.redis.exists(INTENTS, EMAIL, PUSH)
    assert set(on_partitions(outside, EMAIL).values()) == set(on_partitions(outside, PUSH).values()) == {1}
    status, doctor = publisher("status", "--json"), publisher("doctor", "--json")
    assert status.returncode == 0, status.stdout
    failed = [check for check in map(json.loads, doctor.stdout.splitlines()) if check["verdict"] == "failed"]
    assert failed == []
    # Two partitions may have an entry of one id: the notification's is one alone.
    explained = publisher("explain", json.loads(sent.stdout)["intents"][0]["notification_id"])
    assert explained.returncode == 0, explained.stderr
    assert f"{EMAIL}:{{" in explained.stdout

    for process in running:
        process.signal(signal.SIGKILL, group=True)
    fewer = {"PUBLISHER_INTENTS_PARTITIONS": "2", "PUBLISHER_EMAIL_PARTITIONS": "3", "PUBLISHER_PUSH_PARTITIONS": "1"}
    assert publisher("intents", "send", "-", stdin=lines(0) + lines(_INTENTS), **fewer).returncode == 0
    for name in ("worker", "clock", "intake", "mailer"):
        processes.start(name, **fewer)
    outside.wait_for_routes(published=2 * routes)
    wait_until(lambda: all_sent(smtp, 2), describe=lambda: len(smtp.taken))

    emails, pushes = on_partitions(outside, EMAIL), on_partitions(outside, PUSH) + outside.deliveries(PUSH)
    assert set(emails.values()) == set(pushes.values()) == {1}
    assert (len(emails), len(pushes)) == (routes, routes)
    assert set(Counter(taken.delivery_id for taken in smtp.taken).values()) == {1}
