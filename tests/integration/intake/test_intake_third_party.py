"""Intake and the code of a third party's channel (R19, R21, R24)."""

import threading
from collections.abc import Callable
from typing import Any

import redis

from actors.context import Context
from publisher.channels.email import EMAIL
from publisher.domain.channel import Channel
from publisher.domain.recipient import Recipient
from storage.database import Database
from tests.integration.rows import rows
from tests.integration.stream_entries import send_intents, wait_until_read

StartIntake = Callable[..., threading.Thread]


def test_a_channel_that_raises_stops_no_intake(
    context: Context,
    start_intake: StartIntake,
    database: Database,
    redis_client: redis.Redis,
) -> None:
    """An intent that a third party's channel chokes on is malformed, alone, with the channel named; intake lives, and
    takes its neighbours (R19, R21)."""

    def reaches(recipient: Recipient) -> bool:
        return bool(recipient.locale[0])  # type: ignore[index]

    channels: Any = context.channels
    channels["sms"] = Channel("sms", "sms:out", EMAIL.encode, reaches)
    german = [{"user_id": "7", "locale": "de"}]
    send_intents(redis_client, 1, recipients_json=german)
    [choking] = send_intents(redis_client, 1)
    send_intents(redis_client, 1, recipients_json=german)
    loop = start_intake()

    wait_until_read(redis_client)

    [rejected] = rows(database, "SELECT * FROM malformed_intents")
    assert loop.is_alive()
    assert rows(database, "SELECT count(*) FROM notifications") == [{"count": 2}]
    assert (rejected["stream_entry_id"], rejected["failure_code"]) == (choking, "channel_failed")
    assert "channel sms" in rejected["failure_message"]
    assert "TypeError" in rejected["failure_message"]
