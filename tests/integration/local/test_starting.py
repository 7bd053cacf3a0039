"""How the embedded servers start: on the port that they had, one of two that start at once, and whole or not at all."""

import pwd
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from publisher.domain.errors import EmbeddedUnavailable
from publisher.local import embedded_postgresql, embedded_valkey
from publisher.local.embedded import embedded_servers
from publisher.local.embedded_valkey import valkey
from publisher.local.ports import PortTaken


def test_valkey_keeps_its_port(server_folder: Path) -> None:
    """Another terminal's REDIS_URL is right after the next start in the same folder, too."""
    with valkey(server_folder) as first:
        pass

    with valkey(server_folder) as second:
        assert second == first


def test_a_valkey_whose_port_is_taken_has_another_one(server_folder: Path) -> None:
    """It says which port it had, and keeps the new one."""
    with valkey(server_folder) as first:
        pass

    with socket.create_server(("127.0.0.1", first.port)), valkey(server_folder) as second:
        assert second.port != first.port
        assert second.taken == first.port
    with valkey(server_folder) as third:
        assert (third.port, third.taken) == (second.port, None)


def test_a_port_that_is_taken_while_valkey_starts_is_tried_no_more(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes the port between its choice and its use: the next one is tried."""
    whole = embedded_valkey.start_valkey
    tried = []

    def unlucky(folder: Path, port: int, *others: object) -> object:
        tried.append(port)
        if len(tried) < 3:
            raise PortTaken("another program was faster")
        return whole(folder, port, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(embedded_valkey, "start_valkey", unlucky)

    with valkey(server_folder) as listening:
        assert listening.port == tried[2]
        assert listening.taken is None


@pytest.mark.parametrize("note", ["", "no number", "80", "99999"])
def test_a_port_that_cannot_be_is_not_tried(note: str, server_folder: Path) -> None:
    """A file that was cut off by a crash is as good as none."""
    (server_folder / "port").write_text(note)

    with valkey(server_folder) as listening:
        assert listening.port in range(20_000, 32_000)


def test_a_start_that_is_interrupted_leaves_no_half_folder(server_folder: Path) -> None:
    """A stop signal while PostgreSQL's folder is made: the next start finds none, and makes a whole one."""
    calls = []

    def interrupt() -> None:
        calls.append(1)
        if (server_folder / "postgresql.new" / "PG_VERSION").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedded_servers(server_folder, interrupt).__enter__()
    assert calls
    assert not (server_folder / "postgresql").exists()

    with embedded_servers(server_folder) as servers:
        assert servers.database_url


@pytest.fixture
def useradd(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Lets this process be root, without the user, and useradd end as it is told. Returns its runs, one by one."""

    def prepare(*ends: tuple[int, bool]) -> list[int]:
        there: list[bool] = []
        runs: list[int] = []

        def find(_: str) -> pwd.struct_passwd:
            if not there:
                raise KeyError
            return pwd.struct_passwd(("pgserver", "x", 1234, 1234, "", "/", "/bin/sh"))

        def run(*_: object, **__: object) -> "subprocess.CompletedProcess[str]":
            code, made = ends[min(len(runs), len(ends) - 1)]
            runs.append(code)
            if made:
                there.append(True)
            return subprocess.CompletedProcess([], code, "", "useradd: cannot" if code else "")

        monkeypatch.setattr(embedded_postgresql.os, "geteuid", lambda: 0)
        monkeypatch.setattr(embedded_postgresql.pwd, "getpwnam", find)
        monkeypatch.setattr(embedded_postgresql.subprocess, "run", run)
        monkeypatch.setattr(embedded_postgresql, "find_program", lambda _: "/usr/sbin/useradd")
        return runs

    return prepare


@pytest.mark.parametrize(
    ("ends", "runs"),
    [
        ([(0, True)], [0]),
        ([(9, True)], [9]),
        ([(1, False), (0, True)], [1, 0]),
    ],
    ids=["made", "made by another start", "locked by another start"],
)
def test_two_starts_make_one_user(
    ends: list[tuple[int, bool]], runs: list[int], useradd: Callable[..., list[int]]
) -> None:
    """Where root starts two at once, one of them makes the user that PostgreSQL runs as, and both have it."""
    seen = useradd(*ends)

    assert embedded_postgresql._user(lambda: None)["user"] == 1234
    assert seen == runs


def test_a_user_that_cannot_be_made_is_an_error(
    useradd: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A useradd that fails for good is not tried without end, and its reason is said."""
    monkeypatch.setattr(embedded_postgresql, "_USER_TIMEOUT", embedded_postgresql.timedelta(0))
    useradd((1, False))

    with pytest.raises(EmbeddedUnavailable, match="pgserver cannot be made: useradd: cannot"):
        embedded_postgresql._user(lambda: None)
