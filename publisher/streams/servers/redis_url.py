"""Takes the URL of a Redis apart that has several hosts: those of Sentinels, or nodes of a cluster.

`publisher.settings.connection_url` has checked it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

_PARTS = re.compile(r"(rediss?)\+(sentinel|cluster)://(?:([^@]*)@)?([^/?]+)/?([^?]*)\??(.*)")
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:]*)(?::(\d+))?")
_PORTS = {"sentinel": 26379, "cluster": 6379}


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL of several hosts.

    hosts: each with its port.
    primary: the name that Sentinels have for the primary; None: the hosts are nodes of a cluster.
    database: its number.
    username, password: the login of Redis; blank: none.
    sentinel_username, sentinel_password: the login of the Sentinels; blank: none.
    """

    tls: bool
    hosts: Sequence[tuple[str, int]]
    primary: str | None
    database: int
    username: str = field(repr=False)
    password: str = field(repr=False)
    sentinel_username: str = field(repr=False)
    sentinel_password: str = field(repr=False)


def read_url(text: str) -> RedisUrl | None:
    """Returns the parts of a URL of several hosts; None for one of a single server, which redis-py understands."""
    found = _PARTS.fullmatch(text.strip())
    if found is None:
        return None
    scheme, kind, login, hosts, path, query = found.groups(default="")
    username, _, password = login.partition(":")
    primary, _, number = path.strip("/").partition("/")
    options = dict(parse_qsl(query))
    return RedisUrl(
        tls=scheme == "rediss",
        hosts=[_host(host, _PORTS[kind]) for host in hosts.split(",")],
        primary=unquote(primary) if kind == "sentinel" else None,
        database=int(number or options.get("db") or 0) if kind == "sentinel" else 0,
        username=unquote(username),
        password=unquote(password),
        sentinel_username=options.get("sentinel_username", ""),
        sentinel_password=options.get("sentinel_password", ""),
    )


def _host(text: str, port: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None:
        raise ValueError("a host of the URL cannot be read")
    return unquote(found[1]).strip("[]"), int(found[2] or port)
