"""Dramatiq's messages as they stand in Redis."""

import json
from typing import Any

import redis

from tests.waiting import wait_until


def held(client: redis.Redis, queue: str) -> list[dict[str, Any]]:
    """The queue's messages that are not acknowledged, the delayed ones too."""
    return [*_messages(client, f"{queue}.msgs"), *_messages(client, f"{queue}.DQ.msgs")]


def delayed(client: redis.Redis, queue: str) -> list[dict[str, Any]]:
    """The queue's messages that wait for their time."""
    return _messages(client, f"{queue}.DQ.msgs")


def dead(client: redis.Redis, queue: str) -> list[dict[str, Any]]:
    """The queue's messages that Dramatiq dead-lettered."""
    return _messages(client, f"{queue}.XQ.msgs")


def wait_for_quiet(client: redis.Redis, queue: str) -> None:
    """Returns once every message of the queue is acknowledged or dead-lettered."""
    wait_until(lambda: not held(client, queue), describe=lambda: held(client, queue))


def _messages(client: redis.Redis, key: str) -> list[dict[str, Any]]:
    return [json.loads(data) for data in client.hvals(f"dramatiq:{key}")]
