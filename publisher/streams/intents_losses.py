"""Losses of intents that were noticed in Redis, and that intake has not recorded in PostgreSQL yet.

They stand in a list in Redis, as JSON. gap.lua appends a loss in the step that notices it; intake appends the pending
entries that it finds removed. Intake removes a loss once it is recorded, so that none is forgotten if a process dies.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis

from publisher.domain.loss import LossCause
from publisher.streams.keys import losses_key
from publisher.streams.servers.connection import translated

KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NoticedLoss:
    """Entries that were removed from the stream before intake had accepted them.

    after_id, before_id: the ids between which they stood.
    entries: how many, or None if Redis cannot tell.
    ids: their ids, if they are known.
    raw: the text in Redis.
    """

    cause: LossCause
    after_id: str
    before_id: str
    entries: int | None
    ids: Sequence[str]
    raw: bytes


def keep_pending_loss(client: redis.Redis, stream: str, ids: Sequence[str]) -> None:
    """Appends the loss of entries that a consumer had read. Raises RedisUnavailable or RedisRefused."""
    loss = {"cause": LossCause.PENDING.value, "after": ids[0], "before": ids[-1], "entries": len(ids), "ids": list(ids)}
    with translated(), client.pipeline(transaction=False) as pipe:
        pipe.rpush(losses_key(stream), json.dumps(loss))
        pipe.pexpire(losses_key(stream), KEPT)
        pipe.execute()


def noticed_losses(client: redis.Redis, stream: str) -> list[NoticedLoss]:
    """Reads the losses that are not recorded yet, oldest first. Raises RedisUnavailable or RedisRefused."""
    with translated():
        kept: list[Any] = client.lrange(losses_key(stream), 0, -1)
    return [_noticed(raw) for raw in kept]


def forget_loss(client: redis.Redis, stream: str, loss: NoticedLoss) -> None:
    """Removes a loss that is recorded. May be repeated. Raises RedisUnavailable or RedisRefused."""
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
