"""One process of the Procfile, run by honcho. It ends when the process that started it ends."""

import signal
from functools import partial
from typing import Any

from honcho import process

from publisher.process.lifeline import end_with_parent, ends_with_us


class Process(process.Process):  # type: ignore[misc]  # honcho has no types
    """Honcho's process. If its manager is killed, the command receives a stop signal."""

    def run(self, *arguments: Any) -> None:
        """Runs the command to its end, in a process beside the manager that no signal to stop ends."""
        end_with_parent(signal.SIGKILL)
        self._child_ctor = partial(process.Popen, preexec_fn=ends_with_us(signal.SIGTERM))
        super().run(*arguments)
