"""The process beside the workers that serves what they all count, and clears up after them (Dramatiq's "fork")."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from publisher.process.lifeline import master_pid
from publisher.process.metrics_folder import metrics_folder, remove_once_unused
from publisher.process.metrics_server import not_served, serve_shared_metrics

# Workers have 25 seconds to stop (R17).
_STOPPING = timedelta(seconds=30)
_SIGNALS = {signal.SIGTERM, signal.SIGHUP}


def serve() -> int:
    """Serves until the master stops or is gone, then removes the workers' folder once the last of them has ended.

    An orphan would keep the port, and no one would serve the next master's workers.
    """
    # Dramatiq's handler would end this process at once, and the folder would stay.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    master = master_pid()
    folder = metrics_folder(master)
    end = _serve(folder)
    while os.getppid() == master and signal.sigtimedwait(_SIGNALS, 1) is None:
        pass
    if end is not None:
        end()
    remove_once_unused(folder, _STOPPING)
    return 0


def _serve(folder: Path) -> Callable[[], None] | None:
    # The environment itself, which the workers have checked: reading all settings takes longer than anything here.
    port = int(os.environ["PUBLISHER_METRICS_PORT"])
    try:
        return serve_shared_metrics(port, folder)
    except OSError as error:
        from publisher.environment import configure_logs, load_settings

        configure_logs(load_settings())
        not_served(error, port)
        return None
