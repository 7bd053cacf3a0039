"""`python -m publisher` and the console script `publisher`."""

import signal
import sys

from publisher.process.garbage import collect_hardly_ever, leave_garbage
from publisher.process.signals import obey_as_first_process


def main() -> None:
    """Runs the command line and exits with its code."""
    obey_as_first_process()
    # Imports make many objects and no garbage: with Python's own thresholds a sixth of a command's time is its search.
    collect_hardly_ever()
    # A Ctrl-C during the imports ends the process without a traceback. The shell may have ignored it: `publisher … &`.
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from publisher.cli.app import run
    from publisher.cli.standard_streams import open_streams

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    open_streams()
    code = run(sys.argv[1:])
    leave_garbage()
    sys.exit(code)


if __name__ == "__main__":
    main()
