"""A Valkey of a test's own, which it may stop, empty, starve or overload."""

from contextlib import ExitStack
from pathlib import Path

from publisher.embedded import valkey


class OwnValkey:
    """A running Valkey that keeps its port and its data over a restart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self._port: int | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it listens, also while it is stopped."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Starts it with the data it had."""
        self._port = self._running.enter_context(valkey(self._folder, self._port))

    def stop(self) -> None:
        """Stops it, if it runs."""
        self._running.close()

    def restart(self) -> None:
        """Stops it and starts it again: another run id, the same data."""
        self.stop()
        self.start()
