"""`publisher up` and `publisher demo` as tests see them: when all is at work, and when nothing of it is left."""

from dataclasses import dataclass

from tests.processes import Process, marked
from tests.waiting import wait_until

# Servers and three processes start or end within this, on a busy machine.
PATIENCE = 40.0


@dataclass(frozen=True)
class Descendants:
    """The processes that come of a test, children of killed ones too. mark: a text in their environment."""

    mark: str

    @property
    def command_lines(self) -> list[str]:
        """The command line of each that runs."""
        return marked(self.mark)

    def wait_for(self, command: str, *, of: Process) -> None:
        """Returns once one with this in its command line runs. of: the process that starts it."""
        wait_until(
            lambda: any(command in line for line in self.command_lines), within=PATIENCE, describe=lambda: of.output
        )

    def wait_until_gone(self) -> None:
        """Returns once none runs."""
        wait_until(lambda: not self.command_lines, within=PATIENCE, describe=lambda: self.command_lines)


def wait_until_serving(up: Process) -> None:
    """Returns once `publisher up` has started everything: a worker that still boots is slow to stop."""
    up.wait_for_output("scheduler started", within=PATIENCE)
    up.wait_for_output("ready for action", within=PATIENCE, times=2)
