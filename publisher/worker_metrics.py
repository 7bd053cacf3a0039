"""The process beside the workers that serves what they all count, and clears up after them (Dramatiq's "fork")."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from publisher.process.lifeline import end_with_parent, master_pid
from publisher.process.metrics_folder import metrics_folder, remove_once_unused, tell_port
from publisher.process.metrics_server import not_served, serve_shared_metrics, served

# Workers have 25 seconds to stop (R17).
_STOPPING = timedelta(seconds=30)
_SIGNALS = {signal.SIGTERM, signal.SIGHUP}


def serve() -> int:
    """Serves until the master stops or is gone, then removes the workers' folder once the last of them has ended.

    An orphan would keep the port, and the next master's workers would be served at another.
    """
    # Dramatiq's handler would end this process at once, and the folder would stay.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    # Out of the master's group: whoever kills the whole group leaves one that clears up.
    os.setsid()
    master = master_pid()
    end_with_parent(signal.SIGTERM)
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
    first = int(os.environ["PUBLISHER_METRICS_PORT"])
    try:
        port, end = serve_shared_metrics(first, folder)
        tell_port(folder, port)
    except OSError as error:
        _configure_logs()
        not_served(error, first)
        return None
    _configure_logs()
    served(port)
    return end


def _configure_logs() -> None:
    from publisher.environment import load_settings
    from publisher.process import logs

    # Of these settings the workers have warned.
    settings = load_settings()
    logs.configure(level=settings.log_level, format=settings.log_format, addresses=settings.log_addresses)
