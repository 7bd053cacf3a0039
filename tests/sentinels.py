"""A primary with a replica, watched by Sentinels that let the replica take over."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from tests.valkeys import port_of, server, wait_for_replica
from tests.waiting import wait_until

NAME = "mail primary"
# A primary that a busy machine keeps from answering is not down: a Sentinel would undo what a test has asked for.
_DOWN_AFTER_MS = 2000


class Watched:
    """Two servers of which one is the primary, and their Sentinels. url: as a setting names them."""

    def __init__(self, servers: list[redis.Redis], sentinels: list[redis.Redis]) -> None:
        self._servers = servers
        self._sentinels = sentinels
        hosts = ",".join(f"127.0.0.1:{port_of(sentinel)}" for sentinel in sentinels)
        self.url = f"redis+sentinel://{hosts}/{NAME.replace(' ', '%20')}/0"

    @property
    def primary(self) -> redis.Redis:
        """The primary, as a Sentinel names it."""
        port = int(self._sentinels[0].execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", NAME)[1])
        return next(one for one in self._servers if port_of(one) == port)

    def kill_primary(self) -> float:
        """Kills the primary, as kill -9 does, once its replica has what it acknowledged; waits for the promotion.

        Returns when that was, on the monotonic clock.
        """
        old = self.primary
        wait_for_replica(old)
        os.kill(old.info("server")["process_id"], signal.SIGKILL)
        return self._wait_for_promotion(old)

    def switch(self, *how: str) -> float:
        """Has the replica take over while the primary lives, which becomes its replica. Returns as `kill_primary`.

        how: COORDINATED has the primary wait for it, as Valkey 9 can, and take no write meanwhile.
        """
        old = self.primary
        wait_for_replica(old)
        self._sentinels[0].execute_command("SENTINEL FAILOVER", NAME, *how)
        promoted = self._wait_for_promotion(old)
        wait_until(lambda: old.info("replication")["role"] == "slave")
        return promoted

    def wait_until_replicated(self) -> None:
        """Returns once the replica follows the primary, and every Sentinel knows it."""
        replica = next(one for one in self._servers if one is not self.primary)
        wait_until(lambda: replica.info("replication").get("master_link_status") == "up")
        for sentinel in self._sentinels:
            wait_until(lambda of=sentinel: "down" not in of.sentinel_slaves(NAME)[0]["flags"])  # type: ignore[misc]

    def _wait_for_promotion(self, old: redis.Redis) -> float:
        [new] = [one for one in self._servers if one is not old]
        wait_until(lambda: new.info("replication")["role"] == "master")
        promoted = time.monotonic()
        wait_until(lambda: self.primary is new)
        return promoted


@contextmanager
def watched(folder: Path, sentinels: int = 2) -> Iterator[Watched]:
    """Runs a primary, a replica and so many Sentinels, of which one is enough to begin a failover."""
    with ExitStack() as stack:
        durable = ("--appendonly", "yes", "--repl-diskless-sync-delay", "0")
        primary = stack.enter_context(server(folder / "one", *durable))
        replica = stack.enter_context(
            server(folder / "other", *durable, "--replicaof", f"127.0.0.1 {port_of(primary)}")
        )
        wait_until(lambda: replica.info("replication").get("master_link_status") == "up")
        watching = [stack.enter_context(_sentinel(folder / f"sentinel-{n}", primary)) for n in range(sentinels)]
        for sentinel in watching:
            wait_until(lambda of=sentinel: _knows_all(of, sentinels))  # type: ignore[misc]
        yield Watched([primary, replica], watching)


@contextmanager
def _sentinel(folder: Path, primary: redis.Redis) -> Iterator[redis.Redis]:
    folder.mkdir(parents=True)
    config = folder / "sentinel.conf"
    config.write_text(
        f'sentinel monitor "{NAME}" 127.0.0.1 {port_of(primary)} 1\n'
        f'sentinel down-after-milliseconds "{NAME}" {_DOWN_AFTER_MS}\n'
        f'sentinel failover-timeout "{NAME}" 3000\n'
    )
    with server(folder, "--sentinel", config=config) as client:
        # Asked seldom by default, who is primary is noticed ten seconds late.
        client.execute_command("SENTINEL DEBUG", "INFO-PERIOD", 200, "PUBLISH-PERIOD", 200, "PING-PERIOD", 200)
        yield client


def _knows_all(sentinel: redis.Redis, sentinels: int) -> bool:
    [state] = [of for of in sentinel.sentinel_masters().values() if of["name"] == NAME]
    return state["num-slaves"] == 1 and state["num-other-sentinels"] == sentinels - 1
