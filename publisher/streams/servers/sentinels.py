"""Asks Sentinels which server is the primary now."""

from collections.abc import Sequence
from typing import Any

import redis
from redis import ConnectionError as RedisConnectionError
from redis import ResponseError
from redis import TimeoutError as RedisTimeoutError
from redis.exceptions import AuthenticationError
from redis.sentinel import MasterNotFoundError, Sentinel


class NoPrimary(MasterNotFoundError):
    """No Sentinel knows a primary of this name that is up.

    refusal: what one said that refused to tell; blank: none refused.
    fault: why one could not be asked, where none could be; blank: one could.
    """

    def __init__(self, refusal: str, fault: str) -> None:
        super().__init__(refusal or fault)
        self.refusal = refusal
        self.fault = fault


class Sentinels(Sentinel):
    """Sentinels that watch a primary. Safe to share between threads, as redis-py's own class is not.

    That one moves the Sentinel that answered to the front by swapping two places of its list. Two threads that swap at
    once leave one Sentinel there twice, and another one not at all: it is never asked again.
    """

    def __init__(self, sentinels: Sequence[redis.Redis]) -> None:
        """sentinels: a client of each."""
        super().__init__([])  # type: ignore[no-untyped-call]
        self.sentinels = [*sentinels]

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Returns host and port of the primary, as the first Sentinel says that knows it and takes it for up.

        They are asked in turn, and the one that answered last is asked first the next time.
        Raises NoPrimary if none does.
        """
        refusal, faults = "", list[str]()
        for sentinel in self.sentinels:
            try:
                masters: Any = sentinel.sentinel_masters()
            except ResponseError as error:
                # It asks for a login, or is no Sentinel: another one may tell.
                refusal = str(error)
                continue
            except (RedisConnectionError, RedisTimeoutError) as error:
                if isinstance(error.__cause__, AuthenticationError):
                    refusal = str(error.__cause__)
                faults.append(str(error))
                continue
            state = masters.get(service_name)
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
                # A new list each time: another thread may go through the old one.
                self.sentinels = [sentinel, *(other for other in self.sentinels if other is not sentinel)]
                return state["ip"], state["port"]
        raise NoPrimary(refusal, faults[0] if len(faults) == len(self.sentinels) else "")
