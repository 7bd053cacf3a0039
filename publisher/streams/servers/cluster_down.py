"""Recognises what a script says of a cluster that cannot serve it now: it has no error code, as a command has."""

import re

# No shard takes writes while another one is away, and `cluster-allow-reads-when-down` let the script begin; or the key
# has moved with its slot since it began.
_CANNOT_SERVE = re.compile(r"while the cluster is down|a non local key in a cluster node")


def cannot_serve(message: str) -> bool:
    """Returns whether this error of a script ends with the outage of a shard, or with the move of a slot."""
    return _CANNOT_SERVE.search(message) is not None
