"""What may stand in a connection URL, and what of it may be shown (R36)."""

from collections.abc import Callable
from urllib.parse import quote

import psycopg2.extensions
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import parse_url

from publisher.domain.errors import SettingsError
from publisher.settings.connection_url import ConnectionUrl, read_database_url, read_redis_url

SECRET = "5ecret"  # noqa: S105 - looked for in messages
Read = Callable[[str], ConnectionUrl]
RAW = [
    "ab@5ecret",
    "ab/5ecret",
    "ab#5ecret",
    "ab?5ecret",
    "ab?5ecret=1",
    "a%-5ecret",
    "12/5ecret",
    "[5ecret",
    "5ecret%",
]
passwords = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("@:/?#%[]& +\\'\""), max_size=12)


def refused(read: Read, url: str) -> str:
    """What is said of a URL that is refused: one line, and nothing of the URL."""
    with pytest.raises(SettingsError) as raised:
        read(url)
    message = str(raised.value)
    assert SECRET not in message
    assert message.isprintable()
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return message


def read_or_told(read: Read, url: str) -> ConnectionUrl | None:
    """The URL, or None if it was refused with the way to write it."""
    try:
        return read(url)
    except SettingsError as error:
        if "percent-encode" in str(error):
            return None
        raise


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://ann:5ecret@db:5432/name", "postgres://db:5432/name"),
        ("postgresql://ann:5ecret@db/name?sslmode=require&application_name=x", "postgresql://db/name"),
        (
            "postgresql://ann@db1:5432,db2:5433/name?target_session_attrs=read-write",
            "postgresql://db1:5432,db2:5433/name",
        ),
        ("postgresql://ann:5ecret@[::1]:5432/name", "postgresql://[::1]:5432/name"),
        ("postgresql:///name?host=/run/postgresql&user=ann&password=5ecret", "postgresql:///name?host=/run/postgresql"),
        ("postgresql://ann:5ecret@%2Frun%2Fpostgresql/name", "postgresql://%2Frun%2Fpostgresql/name"),
        ("postgresql://ann:5ecret@db?dbname=name", "postgresql://db/name"),
        ("postgresql://ann:5ecret@db/name?ssl=true&options=-c%20search_path%3Dapp", "postgresql://db/name"),
        ("postgresql://ann:5ecret@db/name?require_auth=md5,scram-sha-256", "postgresql://db/name"),
        ("postgresql://db/name?hostaddr=127.0.0.1,::1", "postgresql://db/name?hostaddr=127.0.0.1,::1"),
        ("postgresql://", "postgresql:///"),
    ],
)
def test_of_a_database_url_the_place_alone_is_shown(url: str, shown: str) -> None:
    """Scheme, hosts, ports and database are shown, and no user, password or option (R36)."""
    read = read_database_url(url)

    assert read.text == url
    assert [read.shown, str(read), repr(read), f"{read}"] == [shown] * 4


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://ann:5ecret@redis:6379/3", "redis://redis:6379/3"),
        ("rediss://:5ecret@redis.example.com:6380", "rediss://redis.example.com:6380/0"),
        ("redis://5ecret@redis", "redis://redis/0"),
        ("redis://redis:6379?db=2", "redis://redis:6379/2"),
        ("redis://redis/2/?db=2", "redis://redis/2"),
        ("redis://[::1]:6379/", "redis://[::1]:6379/0"),
        ("redis://", "redis:///0"),
        ("unix://ann:5ecret@/run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_of_a_redis_url_the_place_alone_is_shown(url: str, shown: str) -> None:
    """Scheme, host, port and database are shown, and no user or password (R36)."""
    read = read_redis_url(url)

    assert read.text == url
    assert [read.shown, str(read), repr(read), f"{read}"] == [shown] * 4


@pytest.mark.parametrize("password", RAW)
@pytest.mark.parametrize(
    ("read", "url"),
    [(read_database_url, "postgres://app:{}@127.0.0.1:5432/name"), (read_redis_url, "redis://app:{}@127.0.0.1:6379/0")],
)
def test_a_raw_special_character_in_a_password_is_told(read: Read, url: str, password: str) -> None:
    """What would move a part of the password into host, port or path is refused, with the way to write it (R36)."""
    assert "percent-encode" in refused(read, url.format(password))
    assert read(url.format(quote(password, safe=""))).shown.endswith(
        ("@127.0.0.1:5432/name", "//127.0.0.1:5432/name", "//127.0.0.1:6379/0")
    )


@given(passwords)
def test_what_is_shown_is_where_postgresqls_driver_goes(password: str) -> None:
    """A password of any text is read and works when encoded; raw, it is refused or does no harm (R36)."""
    encoded = f"postgres://app:{quote(password, safe='')}@db.example:5432/name"
    if "\0" not in password:
        assert read_database_url(encoded).shown == "postgres://db.example:5432/name"
        assert psycopg2.extensions.parse_dsn(encoded).get("password", "") == password
    raw = read_or_told(read_database_url, f"postgres://app:{password}@db.example:5432/name")
    if raw is not None:
        assert raw.shown == "postgres://db.example:5432/name"
        found = psycopg2.extensions.parse_dsn(raw.text)
        assert (found["host"], found["port"], found["dbname"]) == ("db.example", "5432", "name")


@given(passwords)
def test_what_is_shown_is_where_the_redis_driver_goes(password: str) -> None:
    """A password of any text is read and works when encoded; raw, it is refused or does no harm (R36)."""
    encoded = f"redis://app:{quote(password, safe='')}@redis.example:6379/3"
    assert read_redis_url(encoded).shown == "redis://redis.example:6379/3"
    assert parse_url(encoded).get("password", "") == password
    raw = read_or_told(read_redis_url, f"redis://app:{password}@redis.example:6379/3")
    if raw is not None:
        assert raw.shown == "redis://redis.example:6379/3"
        found = parse_url(raw.text)
        assert (found["host"], found["port"], found["db"]) == ("redis.example", 6379, 3)


@pytest.mark.parametrize(
    ("read", "url", "said"),
    [
        (read_database_url, "'postgres://u:5ecret@db/name'", "without quotation marks"),
        (read_redis_url, '"redis://u:5ecret@redis/0"', "without quotation marks"),
        (read_redis_url, "“redis://u:5ecret@redis/0”", "without quotation marks"),
        (read_database_url, "postgres://u:5ecret@db:54x/name", "port"),
        (read_database_url, "postgres://u:5ecret@db:0/name", "port"),
        (read_database_url, "postgres://u:5ecret@db:65536,db2/name", "port"),
        (read_database_url, "postgres://u:5ecret@db1,db2:x/name", "port"),
        (read_redis_url, "redis://redis:5ecret", "port"),
        # The @ encoded as well: all of it stands where the host should.
        (read_database_url, "postgres://u%3A5ecret%40db/name", "host"),
        (read_redis_url, "redis://u%3A5ecret%40redis/0", "host"),
        (read_redis_url, "redis://$5ecret/0", "host"),
        (read_redis_url, "redis://redis1,redis2/0", "one host"),
        (read_redis_url, "redis://redis/zero", "must be a number"),
        (read_redis_url, "redis://redis/0/5ecret", "must be a number"),
        (read_redis_url, "redis://redis/-1", "must be a number"),
        (read_redis_url, "redis://redis?db=5ecret", "must be a number"),
        (read_redis_url, "redis://redis/1?db=2", "two databases"),
        (read_redis_url, "unix://run/redis.sock", "path of a socket"),
        (read_redis_url, "unix://", "path of a socket"),
        (read_database_url, "postgres://u:5ecret@db/na%0Ame", "control characters"),
        # libpq's text of these is bytes that are no text, or ends early.
        (read_database_url, "postgres://u:5ecret%FF@db/name", "UTF-8 without NUL"),
        (read_database_url, "postgres://u:5ecret%00@db/name", "UTF-8 without NUL"),
        (read_database_url, "postgres://u:5ecret@db/%C3", "UTF-8 without NUL"),
        (read_database_url, "postgres://u:5ecret@db/name?options=%FF", "UTF-8 without NUL"),
        (read_redis_url, "redis://:5ecret%E9@redis/0", "UTF-8 without NUL"),
        # No address in the brackets: drivers show what stands there.
        (read_redis_url, "redis://[5ecret]:6379/0", "host"),
        (read_database_url, "postgres://[5ecret]/name", "host"),
        (read_database_url, "postgres://db/name?hostaddr=5ecret", "host"),
        (read_redis_url, "redis://redis/99999999999", "at most 9 digits"),
    ],
)
def test_what_cannot_be_read_is_told_without_being_shown(read: Read, url: str, said: str) -> None:
    """One line says which part is wrong, and how to write it."""
    assert said in refused(read, url)


@pytest.mark.parametrize(
    "option",
    [
        *(
            "decode_responses=True",
            "protocol=3",
            "socket_timeout=0.001",
            "max_connections=1",
            "health_check_interval=30",
        ),
        *("timeout=5", "prefix=app", "retry_on_timeout=true", "client_name=mine", "encoding=latin-1", "virtual_host=x"),
        *("ssl_cert_reqs=none", "ssl_check_hostname=false", "ssl_ca_certs=x", "username=app", "password=5ecret"),
    ],
)
def test_redis_options_are_refused_by_name(option: str) -> None:
    """Options that the driver would obey, or another one knows, are named without their values."""
    name = option.partition("=")[0]

    said = refused(read_redis_url, f"redis://redis/0?db=0&{option}")

    assert said.startswith("REDIS_URL must be a URL that begins with redis://")
    assert said.endswith(f", and the option {name} in it is not allowed")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("client_encoding=LATIN1", "the option client_encoding in it is not allowed"),
        ("connect_timeout=600", "the option connect_timeout in it is not allowed"),
        ("keepalives=0", "the option keepalives in it is not allowed"),
        ("tcp_user_timeout=0", "the option tcp_user_timeout in it is not allowed"),
        ("service=other", "the option service in it is not allowed"),
        ("replication=database", "the option replication in it is not allowed"),
        ("pgbouncer=true", "the option pgbouncer in it is not allowed"),
        ("sslmode=5ecret", "the option sslmode in it must be one of: allow, disable, prefer, require, verify-ca"),
        (
            "target_session_attrs=standby",
            "the option target_session_attrs in it must be one of: any, primary, read-write",
        ),
        # libpq answers these with their value, at every connection.
        ("require_auth=5ecret", "the option require_auth in it must be one of"),
        ("require_auth=md5,5ecret", "the option require_auth in it must be one of"),
        ("gsslib=5ecret", "the option gsslib in it must be one of"),
        ("sslmode=require&sslmode=disable", "the option sslmode stands in it twice"),
        ("host=5ecret%40db", "the options host and hostaddr in it must name hosts"),
        ("port=5ecret", "the option port in it must be numbers"),
        ("5ecret", "an option in it is not allowed"),
        ("a-5ecret=1", "an option in it is not allowed"),
        # The rest of a password with a raw &.
        ("password=ab&5ecret=cd", "an option in it is not allowed"),
        ("sslpassword=ab&5ecret=cd", "an option in it is not allowed"),
    ],
)
def test_database_options_that_break_what_the_service_pins_are_refused(option: str, said: str) -> None:
    """Encodings, timeouts, hidden services, servers that only read: named at start, without values."""
    assert said in refused(read_database_url, f"postgresql://app:5ecret@db/name?{option}")
