"""Keys that one step of Redis touches together stand in one slot, so that a cluster of one shard will do."""

from functools import lru_cache


@lru_cache(maxsize=64)
def hash_tag(stream: str) -> str:
    """What puts a key of ours into the stream's own slot, when it stands in the key's name.

    Redis Cluster hashes what stands in the first braces, or the whole key (its documentation, "Hash tags").
    """
    _, opened, rest = stream.partition("{")
    tag, closed, _ = rest.partition("}")
    return f"{{{tag if opened and closed and tag else stream}}}"
