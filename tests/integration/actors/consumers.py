"""What the tests of Dramatiq's consumers share: messages, and which consumers sleep."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dramatiq
import redis
from dramatiq.common import dq_name

from actors.consumer import WakingConsumer
from tests.waiting import wait_until

if TYPE_CHECKING:
    from concurrent.futures import Future

QUEUE = "email"
DELAYED = dq_name(QUEUE)
# Far longer than any test waits: a consumer that is not woken makes its test fail.
ASLEEP_MS = 60_000
Consume = Callable[..., WakingConsumer]


def sleepers(client: redis.Redis) -> list[dict[str, Any]]:
    return [c for c in client.client_list() if "b" in c["flags"]]


def asleep(client: redis.Redis, count: int = 1) -> None:
    """Returns once so many consumers block."""
    wait_until(lambda: len(sleepers(client)) == count, describe=client.client_list)


def message(number: int = 0) -> "dramatiq.Message[None]":
    return dramatiq.Message(queue_name=QUEUE, actor_name="actor", args=(number,), kwargs={}, options={})


def received(future: "Future[dramatiq.MessageProxy | None]") -> int | None:
    """The number in the message that a consumer got, or None; without waiting for its timeout."""
    got = future.result(timeout=20)
    return None if got is None else got.args[0]


def calls(client: redis.Redis) -> dict[str, int]:
    """How often each command was called."""
    return {name.removeprefix("cmdstat_"): seen["calls"] for name, seen in client.info("commandstats").items()}
