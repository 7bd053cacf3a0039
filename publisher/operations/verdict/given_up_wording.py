"""Words what waits on streams that were given up, and what to do. The terminal, the page and doctor say the same."""

from collections.abc import Sequence

from publisher.domain.stream_address import read_address
from publisher.operations.wording import names
from publisher.streams.given_up import GivenUp

READ_THEM = "run their readers (intake, mailer, or your own) with the settings of before as well, until all is read"


def listed(streams: Sequence[GivenUp]) -> str:
    """Names the first few streams, each with its Redis and its entries: `mail:{5} on the Redis of REDIS_URL (3)`."""
    return names([f"{place(each.stream)} ({each.entries:,})" for each in streams])


def place(address: str) -> str:
    """Names the stream with its Redis."""
    # A stream of this name may be on another Redis now.
    return address if read_address(address).server else f"{address} on the Redis of REDIS_URL"
