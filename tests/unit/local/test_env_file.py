"""`.publisher/env`: who may write it, when it counts, and what a shell makes of it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from publisher.domain.errors import PublisherError, SettingsError
from publisher.local import env_file
from publisher.local.env_file import export_lines, read_env_file, written_env_file

SERVERS = {
    "DATABASE_URL": 'postgresql://postgres@/postgres?host=/tmp/it\'s $HOME "here"/`id`',
    "REDIS_URL": "redis://127.0.0.1:23456/0",
}


def test_a_command_reads_what_up_wrote(tmp_path: Path) -> None:
    """While its writer runs, the file names both servers, whatever characters their URLs have."""
    with written_env_file(tmp_path, SERVERS | {"OTHER": "secret"}):
        assert read_env_file(tmp_path / "env") == SERVERS
        assert "secret" not in (tmp_path / "env").read_text()


def test_where_mail_goes_stands_there_too_if_the_server_is_ours(tmp_path: Path) -> None:
    """So that the commands of the mail service, started beside `up`, find its server, its sender and its templates."""
    mail = {
        "PUBLISHER_SMTP_URL": "smtp://127.0.0.1:2525",
        "PUBLISHER_MAIL_FROM": "Chess Club <club@example.com>",
        "PUBLISHER_MAIL_TEMPLATES": "/a folder/templates",
    }
    with written_env_file(tmp_path, SERVERS | mail):
        assert read_env_file(tmp_path / "env") == SERVERS | mail


def test_a_shell_reads_it_as_well(tmp_path: Path) -> None:
    """`. .publisher/env` sets both variables, and runs nothing."""
    with written_env_file(tmp_path, SERVERS):
        show = ["sh", "-c", f'. {tmp_path / "env"}; printf "%s\\n%s" "$DATABASE_URL" "$REDIS_URL"']
        shown = subprocess.run(show, env={}, capture_output=True, text=True, check=True)

    assert shown.stdout.splitlines() == list(SERVERS.values())


def test_the_file_goes_with_its_writer(tmp_path: Path) -> None:
    """At the end of `up` the file is gone; without it there is nothing to read."""
    with written_env_file(tmp_path, SERVERS):
        pass

    assert list(tmp_path.iterdir()) == []
    assert read_env_file(tmp_path / "env") is None
    assert read_env_file(tmp_path / "env" / "below") is None


def test_a_file_that_a_killed_up_left_behind_does_not_count(tmp_path: Path) -> None:
    """Nobody holds its lock any more: its servers do not run. The next `up` writes another one."""
    (tmp_path / "env").write_text("".join(f"{line}\n" for line in export_lines(SERVERS)))
    (tmp_path / "env").chmod(0o600)
    assert read_env_file(tmp_path / "env") is None

    with written_env_file(tmp_path, SERVERS):
        assert read_env_file(tmp_path / "env") == SERVERS


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    """The file is its owner's alone, whatever the umask."""
    before = os.umask(0)
    try:
        with written_env_file(tmp_path, SERVERS):
            assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(mode: int, tmp_path: Path) -> None:
    """Whoever may write it could send this user's passwords and intents to a server of their own."""
    with written_env_file(tmp_path, SERVERS):
        (tmp_path / "env").chmod(mode)

        with pytest.raises(SettingsError, match=r"env is not used: other users may write it\. Remove it, or set"):
            read_env_file(tmp_path / "env")


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this user and root are trusted."""
    with written_env_file(tmp_path, SERVERS):
        owner = (tmp_path / "env").stat().st_uid
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        if owner == 0:
            assert read_env_file(tmp_path / "env") == SERVERS
            os.chown(tmp_path / "env", 12345, -1)

        with pytest.raises(SettingsError, match=r"env is not used: it belongs to user \d+, not to you"):
            read_env_file(tmp_path / "env")


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_anything_but_a_file_is_refused(kind: str, tmp_path: Path) -> None:
    """A link could lead to a file of another user's choice; a pipe would be waited for."""
    path = tmp_path / "env"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/dev/null")
    else:
        os.mkfifo(path)

    with pytest.raises(SettingsError, match="env is not used"):
        read_env_file(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it does not set DATABASE_URL and REDIS_URL"),
        ("export DATABASE_URL=x\n", "it does not set REDIS_URL"),
        ("export DATABASE_URL='x\n", "it cannot be read: No closing quotation"),
        ("export DATABASE_URL='x\0y'\nexport REDIS_URL=x\n", "it holds control characters"),
    ],
    ids=["empty", "half", "torn", "NUL"],
)
def test_a_file_that_was_changed_is_refused(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names both servers or is not used, and the error says why."""
    monkeypatch.setattr(env_file, "_is_locked", lambda *_: True)
    (tmp_path / "env").write_text(text)
    (tmp_path / "env").chmod(0o600)

    with pytest.raises(SettingsError, match=re.escape(reason)):
        read_env_file(tmp_path / "env")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """The error names the file and the reason."""
    with pytest.raises(PublisherError, match=r"missing/env cannot be written: No such file"):
        written_env_file(tmp_path / "missing", SERVERS).__enter__()
