"""Opens a proxy in front of one of the session's servers, for a test to stall or cut."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from redis.connection import parse_url

from tests.conftest import connected
from tests.faults.proxy import Proxy


@contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server of this URL, and the URL that leads through it."""
    if url.startswith("redis"):
        with closing(Proxy(("127.0.0.1", parse_url(url)["port"]))) as proxy:
            yield proxy, f"redis://127.0.0.1:{proxy.port}/0"
        return
    with connected(url) as connection:
        info = connection.info
        user, name, host, port = info.user, info.dbname, info.host, info.port
    with closing(Proxy(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port))) as proxy:
        yield proxy, f"postgresql://{user}@127.0.0.1:{proxy.port}/{name}"
