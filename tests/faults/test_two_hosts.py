"""DATABASE_URL names a primary and its synchronous standby: after a failover all goes on by itself (R15, R20)."""

import time
from contextlib import ExitStack, closing
from enum import StrEnum
from pathlib import Path

import httpx2
import pytest

from tests.faults import run_checker
from tests.faults.chaos import environment, wait_until_quiet
from tests.faults.chaos_mail import ChaosMail
from tests.faults.fleet import Fleet
from tests.faults.observer import Observer
from tests.faults.producer import Producer
from tests.faults.run_result import RunResult
from tests.faults.servers import Servers
from tests.faults.standby import Standby
from tests.processes import free_port
from tests.waiting import wait_until

_SLOTS = ("worker-b", "clock-a", "intake-a", "mailer-a", "web-a")
_SEED = 1803
_INTENTS, _PER_SECOND = 160, 40.0
# Deliveries that are seen before the primary dies.
_BEFORE = 30
# From the promotion to the command of an intent that was sent since.
_PROMISED = 5.0


class Ending(StrEnum):
    """How the primary ends: its port refuses connections then, or its machine says nothing any more."""

    KILLED = "killed"
    SILENT = "silent"


@pytest.mark.parametrize("ending", [Ending.KILLED, pytest.param(Ending.SILENT, marks=pytest.mark.long)])
def test_a_failover_to_a_synchronous_standby_needs_nobody(server_folder: Path, ending: Ending) -> None:
    """The primary ends under load and its standby is promoted: 0 lost, 0 twice, and no process ends."""
    result = RunResult(_SEED)
    with ExitStack() as stack:
        server_folder.chmod(0o755)
        servers = stack.enter_context(closing(Servers(server_folder)))
        standby = stack.enter_context(closing(Standby(servers.postgresql, server_folder / "standby")))
        mail = stack.enter_context(closing(ChaosMail(server_folder, _SEED)))
        told = environment(servers, 4, 0.4) | mail.environ
        told |= {"DATABASE_URL": standby.database_url, "PUBLISHER_WEB_PORT": str(port := free_port())}
        fleet = stack.enter_context(closing(Fleet(told, server_folder, _SLOTS)))
        observer = stack.enter_context(closing(Observer(servers.valkey.url)))
        for slot in fleet.slots.values():
            fleet.wait_until_ready(slot)
        producer = stack.enter_context(
            closing(Producer(servers.valkey.url, seed=_SEED, per_second=_PER_SECOND, intents=_INTENTS, bad_until=0.5))
        )
        wait_until(lambda: observer.deliveries > _BEFORE)

        killed = time.monotonic()
        if ending is Ending.KILLED:
            servers.postgresql.kill()
        else:
            stack.callback(servers.postgresql.kill)
            standby.freeze_primary()
        standby.promote()
        promoted = time.monotonic()
        servers.postgresql.fail_over(standby.address, standby.url)
        wait_until(lambda: observer.saw_any(producer.asked_since(promoted)), within=_PROMISED)
        print(
            f"publishing again {time.monotonic() - promoted:.2f} s after the promotion,"
            f" {time.monotonic() - killed:.2f} s after the primary's death"
        )

        wait_until(lambda: producer.done, within=60)
        wait_until_quiet(servers, producer, print, mail)
        assert httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        replays = servers.postgresql.rows("SELECT reason, left_out FROM intents_replays")
        fleet.stop_all()
        run_checker.check_run(result, servers, fleet, observer, producer)
        result.problems += mail.problems(servers)

    assert result.problems == []
    # It was looked once whether the promoted standby lacks intents.
    assert replays == [("other_server", 0)]
