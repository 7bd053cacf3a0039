"""The connection strings of single hosts that a URL of several is taken apart into."""

import pytest
from psycopg2.extensions import parse_dsn

from storage.connection.hosts import each_host


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://one,two/name", [{"host": "one"}, {"host": "two"}]),
        ("postgresql://one:1,[::1]:2/name", [{"host": "one", "port": "1"}, {"host": "::1", "port": "2"}]),
        (
            "postgresql:///name?host=one,/x&port=5433",
            [{"host": "one", "port": "5433"}, {"host": "/x", "port": "5433"}],
        ),
        (
            "postgresql://one,two/name?hostaddr=::1,::2",
            [{"host": "one", "hostaddr": "::1"}, {"host": "two", "hostaddr": "::2"}],
        ),
    ],
)
def test_each_host_keeps_its_own_address_and_port(url: str, hosts: list[dict[str, str]]) -> None:
    """Everything else, a password file say, is the same for all of them."""
    found = [parse_dsn(dsn) for dsn in each_host(f"{url}{'&' if '?' in url else '?'}passfile=/secret/file")]

    assert [{name: value for name, value in options.items() if value} for options in found] == [
        {"dbname": "name", "passfile": "/secret/file", **host} for host in hosts
    ]


@pytest.mark.parametrize(
    "url", ["postgresql://one:5433/name", "postgresql:///name", "postgresql:///n?host=a,b,c&port=1,2"]
)
def test_one_host_stays_as_it_is(url: str) -> None:
    """As do hosts and ports that do not fit together, about which libpq says more."""
    assert each_host(url) == [url]
