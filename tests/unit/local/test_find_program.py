"""Programs of the system's administrator are found, whatever PATH says."""

from pathlib import Path

import pytest

from publisher.local import embedded_postgresql


def test_a_program_that_is_not_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's PATH in a container may lack /usr/sbin, where useradd is."""
    program = tmp_path / "useradd"
    program.touch(mode=0o755)
    monkeypatch.setattr(embedded_postgresql, "_SYSTEM_FOLDERS", f"/nowhere:{tmp_path}")
    monkeypatch.setenv("PATH", "/nowhere")

    assert embedded_postgresql.find_program("useradd") == str(program)
    assert embedded_postgresql.find_program("userdel") is None
