"""Sentinels and a primary over TLS, each with a login of its own, and what is told where one is wrong (R35, R36)."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest

from publisher.domain.errors import RedisUnavailable
from publisher.streams.servers.connection import open_redis, translated
from tests.tls_fronts import Authority, front
from tests.valkeys import port_of, server

VARIABLE = "PUBLISHER_PUSH_REDIS_URL"


@dataclass(frozen=True)
class Secured:
    """A Sentinel with the password `watch-5ecret`, which names a primary with the user `ann`.

    sentinel: its port, with TLS; its certificate is for localhost. ca_file: of the authority.
    """

    sentinel: int
    ca_file: str

    def said(self, name: str, login: str = "sentinel_password=watch-5ecret", ca_file: str | None = None) -> str:
        """Whom the primary of this name takes us for. Raises what the service would."""
        url = f"rediss+sentinel://ann:h%40sh-5ecret@localhost:{self.sentinel}/{name}?{login}"
        trusted = self.ca_file if ca_file is None else ca_file
        patience = timedelta(seconds=3)
        with (
            open_redis(url, timeout=patience, client_name="test", ca_file=trusted, variable=VARIABLE) as client,
            translated(),
        ):
            return str(client.acl_whoami())


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The Sentinel, and one server under two names: the certificate of the second is for another host."""
    folder = tmp_path_factory.mktemp("secured")
    authority = Authority(folder)
    with ExitStack() as stack:
        primary = stack.enter_context(server(folder / "primary"))
        primary.acl_setuser("ann", enabled=True, passwords=["+h@sh-5ecret"], categories=["+@all"])
        config = folder / "sentinel" / "sentinel.conf"
        config.parent.mkdir()
        lines = []
        for name, host in (("main", "127.0.0.1"), ("other", "redis.example")):
            # A Sentinel without TLS watches it at the same port.
            at = ("127.0.0.1", port_of(primary))
            port = stack.enter_context(front(at, authority.context(host), either=True))
            lines.append(f"sentinel monitor {name} 127.0.0.1 {port} 1")
        config.write_text("\n".join(lines) + "\n")
        watching = stack.enter_context(server(config.parent, "--sentinel", config=config))
        for user, rights in (("default", "+@all"), ("watcher", "-@all +client|setname +sentinel|masters")):
            watching.execute_command("ACL SETUSER", user, "on", *rights.split(), "resetpass", ">watch-5ecret")
        at = ("127.0.0.1", port_of(watching))
        yield Secured(stack.enter_context(front(at, authority.context("localhost"))), str(authority.file))


@pytest.mark.parametrize(
    "login", ["sentinel_password=watch-5ecret", "sentinel_username=watcher&sentinel_password=watch-5ecret"]
)
def test_sentinels_and_primary_have_logins_of_their_own(secured: Secured, login: str) -> None:
    """Each certificate is verified; the URL has the login of the primary, and options that of the Sentinels.

    Their user needs two rights, as the guide says.
    """
    assert secured.said("main", login) == "ann"


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        pytest.param(
            "main",
            {"ca_file": ""},
            "none of them could be asked: the certificate of Redis is not trusted: .* PUBLISHER_REDIS_CA_FILE",
            id="an authority that is not known",
        ),
        pytest.param(
            "other",
            {},
            f"for another name: .*the Sentinels of {VARIABLE} name this address: .*announce-hostnames",
            id="a primary with another name in its certificate",
        ),
        pytest.param(
            "main",
            {"login": "sentinel_password=hush-5ecret"},
            f"one refused: .*: see that the options sentinel_username and sentinel_password of {VARIABLE}",
            id="a wrong password of the Sentinels",
        ),
        pytest.param(
            "main",
            {"login": "db=0"},
            f"one refused: .*: see that the options sentinel_username and sentinel_password of {VARIABLE}",
            id="no password of the Sentinels",
        ),
    ],
)
def test_what_is_wrong_is_told(secured: Secured, name: str, options: dict[str, str], told: str) -> None:
    """With what to do, and no password."""
    with pytest.raises(RedisUnavailable, match=told) as raised:
        secured.said(name, **options)

    assert "5ecret" not in str(raised.value)
    assert raised.value.variable == VARIABLE
