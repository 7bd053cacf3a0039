"""`python -m publisher` and the console script `publisher`."""

import sys

from publisher.cli.app import run
from publisher.cli.standard_streams import open_streams


def main() -> None:
    """Runs the command line and exits with its code."""
    open_streams()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
