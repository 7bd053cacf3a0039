"""The worker's entry module: `dramatiq publisher.actors`."""

import os
import sys

from actors.middleware.graceful_stop import hold_signals
from publisher.bootstrap import collect_garbage_seldom, install_context
from publisher.domain.errors import SettingsError
from publisher.environment import load_settings
from publisher.log_settings import configure_logs
from publisher.process.logs import redirect_standard_streams

hold_signals()
try:
    _settings = load_settings()
    configure_logs(_settings)
    redirect_standard_streams()
    install_context(_settings, "worker")
except SettingsError as error:
    # Straight to the terminal: Dramatiq's pipe to its master may be gone before it is read.
    os.write(2, f"publisher: {error}\n".encode())
    sys.exit(2)
collect_garbage_seldom()
