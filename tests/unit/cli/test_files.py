"""Files that a command line names."""

from pathlib import Path

import pytest

from publisher.cli.terminal import files
from publisher.domain.errors import BadRequest


def test_a_file_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`/dev/zero` in the place of a file takes no machine's memory; a file at the limit is read whole."""
    monkeypatch.setattr(files, "_WHOLE_BYTES", 1000)
    full = tmp_path / "full.json"
    full.write_text("x" * 1000)

    with pytest.raises(BadRequest, match="'/dev/zero' has more than 64 MiB: hand it over in parts"):
        files.read_text("/dev/zero")
    assert files.read_text(str(full)) == "x" * 1000
