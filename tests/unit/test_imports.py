"""What an import does: nothing but define things."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# Above them stand the entry modules, and the actors, which want a broker.
PACKAGES = [
    *("publisher/domain", "publisher/settings", "publisher/channels", "publisher/streams", "storage"),
    *("publisher/process", "publisher/publishing", "publisher/mail"),
]


def below_the_entry_modules() -> Iterator[str]:
    """The names of the modules that everything else stands on."""
    yield "publisher"
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("[!0-9]*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


WATCH = """
import importlib, json, os, sys

seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event.startswith("socket.") else None)


class Watched(type(os.environ)):
    def __getitem__(self, name):
        if name.startswith(("PUBLISHER_", "DATABASE_URL", "REDIS_URL")):
            seen.append(name)
        return super().__getitem__(name)


os.environ.__class__ = Watched
for module in sys.argv[1:]:
    importlib.import_module(module)
imported = list(seen)
os.environ.get("PUBLISHER_PROBE")
import socket
socket.socket().close()
print(json.dumps([imported, seen[len(imported):]]))
"""


def test_an_import_opens_no_connection_and_reads_no_setting() -> None:
    """A module below the entry modules can be imported anywhere, before any server or variable is there."""
    watched = subprocess.run(
        [sys.executable, "-c", WATCH, *below_the_entry_modules()],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PUBLISHER_BATCH_SIZE": "1"},
        check=True,
    )

    during, probed = json.loads(watched.stdout)
    assert during == []
    assert probed == ["PUBLISHER_PROBE", "socket.__new__"], "the watch itself is blind"
