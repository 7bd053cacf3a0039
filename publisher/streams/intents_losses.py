"""Losses of intents that were noticed in Redis, until intake has recorded them in PostgreSQL.

The key `publisher:intents-losses:<stream>` is a list of JSON objects, kept for 30 days after the last one: gap.lua
appends to it in the step that notices a gap, and intake what it found gone of what it had read. Intake takes each away
once it is recorded, so that none is forgotten if a process dies in between.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis

from publisher.domain.loss import LossCause
from publisher.streams.connection import translated
from publisher.streams.keys import losses_key

KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NoticedLoss:
    """Entries that were removed behind one id, up to another.

    entries: how many, None where Redis cannot tell. ids: which, where that is known. raw: how Redis keeps it.
    """

    cause: LossCause
    after_id: str
    before_id: str
    entries: int | None
    ids: Sequence[str]
    raw: bytes


def keep_pending_loss(client: redis.Redis, stream: str, ids: Sequence[str]) -> None:
    """Keeps that these entries were removed after a consumer had read them. Raises RedisUnavailable or RedisRefused."""
    loss = {"cause": LossCause.PENDING.value, "after": ids[0], "before": ids[-1], "entries": len(ids), "ids": list(ids)}
    with translated(), client.pipeline(transaction=False) as pipe:
        pipe.rpush(losses_key(stream), json.dumps(loss))
        pipe.pexpire(losses_key(stream), KEPT)
        pipe.execute()


def noticed_losses(client: redis.Redis, stream: str) -> list[NoticedLoss]:
    """The losses that wait to be recorded, the oldest first."""
    with translated():
        kept: list[Any] = client.lrange(losses_key(stream), 0, -1)
    return [_noticed(raw) for raw in kept]


def forget_loss(client: redis.Redis, stream: str, loss: NoticedLoss) -> None:
    """Takes a loss away that is recorded. May be repeated."""
    with translated():
        client.lrem(losses_key(stream), 1, loss.raw.decode())


def _noticed(raw: bytes) -> NoticedLoss:
    found = json.loads(raw)
    entries = found.get("entries")
    return NoticedLoss(
        LossCause(found["cause"]),
        found["after"],
        found["before"],
        None if entries is None else int(entries),
        tuple(found.get("ids", ())),
        raw,
    )
