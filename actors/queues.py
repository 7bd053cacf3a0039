"""Dramatiq's queues: one for each channel (R16). An actor serves every channel, and its messages name the queue."""

from collections.abc import Iterable
from typing import Any, ParamSpec, TypeVar

import dramatiq

P = ParamSpec("P")
R = TypeVar("R")

# The queue that actors are declared with. It stands for the queue of each channel; none of this name exists, no message
# is put on it, and no channel can have this name.
EACH_CHANNEL = "_each_channel"
# The option of a message that goes before others: before all that wait in its queue, and before those that a worker has
# fetched. A process of the release before ignores it.
URGENT = "urgent"


class ChannelActor(dramatiq.Actor[P, R]):
    """An actor whose first argument is a channel, and whose messages go to that channel's queue (R16)."""

    def message_with_options(
        self, *, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None, **options: Any
    ) -> dramatiq.Message[R]:
        """A message on the queue of the channel in its first argument."""
        message: dramatiq.Message[R] = super().message_with_options(args=args, kwargs=kwargs, **options)
        return message.copy(queue_name=args[0])


def served_channels(worker: dramatiq.Worker, channels: Iterable[str]) -> list[str]:
    """Returns the channels whose queue this worker consumes: all of them, or those that `--queues` names.

    A worker scans and audits these channels of its own accord. It leaves the others to their own workers.
    """
    return [name for name in channels if name in worker.consumers]
