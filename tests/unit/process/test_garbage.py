"""The searches of Python's cycle collector: none delays a command."""

import json
import os
import subprocess
import sys

# What runs after the command: the interpreter's own end, which would search all objects for cycles.
PROGRAM = """
import atexit, gc, json, sys
from publisher.__main__ import main
before = sum(generation["collections"] for generation in gc.get_stats())
searches = lambda: sum(generation["collections"] for generation in gc.get_stats()) - before
atexit.register(lambda: print(json.dumps([searches(), len(gc.get_objects())]), file=sys.stderr))
main()
"""


def test_a_command_searches_for_no_cycles() -> None:
    """A command imports, runs and ends without a search for cycles: each would look at all that it has imported."""
    away = {"DATABASE_URL": "postgres://a@127.0.0.1:1/b", "REDIS_URL": "redis://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "status"], capture_output=True, text=True, env=os.environ | away, check=False
    )

    searches, left = json.loads(done.stderr.splitlines()[-1])
    assert searches == 0
    assert left < 1_000, "the interpreter searches what is left, at its end"
