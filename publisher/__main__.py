"""`python -m publisher` and the console script `publisher`."""

import signal
import sys

from publisher.process.garbage import collect_hardly_ever, leave_garbage
from publisher.process.signals import end_well_while_starting, obey_as_first_process

# The commands that are processes of a deployment: they run until they are told to stop.
_PROCESSES = (["web"], ["intake"], ["scheduler", "run"], ["mailer", "run"])


def main() -> None:
    """Runs the command line and exits with its code."""
    obey_as_first_process()
    if any(sys.argv[1 : 1 + len(words)] == words for words in _PROCESSES):
        end_well_while_starting()
    # Imports make many objects and no garbage: with Python's own thresholds a sixth of a command's time is its search.
    collect_hardly_ever()
    # A Ctrl-C during the imports ends the process without a traceback. The shell may have ignored it: `publisher … &`.
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from publisher.cli.app import run
    from publisher.cli.terminal.standard_streams import open_streams

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    open_streams()
    code = run(sys.argv[1:])
    leave_garbage()
    sys.exit(code)


if __name__ == "__main__":
    main()
