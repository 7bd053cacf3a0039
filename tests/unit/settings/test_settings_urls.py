"""The two URLs that platforms set, and the passwords in them."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from publisher.domain.errors import SettingsError
from publisher.settings.settings import Settings
from publisher.streams.servers.connection import open_redis
from storage.database import Database

GOOD = {"DATABASE_URL": "postgresql://publisher@db/publisher", "REDIS_URL": "redis://redis:6379/0"}


def read(**environ: str) -> Settings:
    """The settings of an environment that is good but for these variables."""
    return Settings.from_environ({**GOOD, **environ}, {})


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "postgres://u:p%40ss@db.example.com:5432/name?sslmode=require"),
        ("DATABASE_URL", "postgresql://db1:5432,db2:5433/name"),
        ("DATABASE_URL", "postgresql:///name?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql://u:p@[::1]:5432/name"),
        ("REDIS_URL", "redis://:p@redis:6379/0"),
        ("REDIS_URL", "rediss://default:p@redis.example.com:6380"),
        ("REDIS_URL", "unix:///run/redis.sock?db=1"),
    ],
)
def test_urls_as_platforms_set_them_are_read(variable: str, url: str) -> None:
    """Every scheme and form that a platform uses is taken as it is."""
    assert getattr(read(**{variable: url}), variable.lower()).text == url


def test_white_space_around_a_url_is_dropped() -> None:
    """A line feed that came with a secret's file does no harm."""
    settings = read(DATABASE_URL=" postgres://u:p@db/name\n", REDIS_URL="\tredis://redis \n")

    assert (settings.database_url.text, settings.redis_url.text) == ("postgres://u:p@db/name", "redis://redis")


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_url_that_is_not_set_is_told_with_an_example(variable: str, value: str | None) -> None:
    """Both are required; the message shows what one looks like."""
    environ = {**GOOD, variable: value}

    with pytest.raises(SettingsError, match=f"{variable} is not set, e.g. .*://"):
        Settings.from_environ({name: text for name, text in environ.items() if text is not None}, {})


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "mysql://u:hunter2@db/name"),
        ("DATABASE_URL", "redis://u:hunter2@db"),
        ("DATABASE_URL", "postgres:u:hunter2@db/name"),
        ("DATABASE_URL", "POSTGRES://u:hunter2@db/name"),
        ("DATABASE_URL", "post\ngres://u:hunter2@db/name"),
        ("DATABASE_URL", "postgres://u:hunter2\n@db/name"),
        ("DATABASE_URL", "postgres://u:hunter2\udcff@db/name"),
        ("DATABASE_URL", "postgres://u:hunter2@[db/name"),
        ("DATABASE_URL", "host=db password=hunter2"),
        ("DATABASE_URL", "'postgres://u:hunter2@db/name'"),
        ("REDIS_URL", "postgres://u:hunter2@redis"),
        ("REDIS_URL", "http://u:hunter2@redis"),
        ("REDIS_URL", "Redis://u:hunter2@redis"),
        ("REDIS_URL", "u:hunter2@redis:6379"),
        ("REDIS_URL", "redis://u:hunter2\0@redis"),
    ],
)
def test_a_bad_url_is_told_without_its_password(variable: str, url: str) -> None:
    """The message names the variable and the schemes, and nothing of what stood there."""
    with pytest.raises(SettingsError) as refused:
        read(**{variable: url})

    message = str(refused.value)
    assert f"{variable} must be a URL that begins with" in message
    assert "hunter2" not in message


def test_no_other_error_shows_a_url() -> None:
    """A mistake in another variable prints that variable's value alone."""
    with pytest.raises(SettingsError) as refused:
        read(DATABASE_URL="postgres://u:hunter2@db/name", PUBLISHER_BATCH_SIZE="0")

    assert "hunter2" not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("shown", [repr, str, lambda settings: f"{settings!r:>500}"])
def test_settings_never_show_a_password(shown: Callable[[Settings], str]) -> None:
    """Whoever prints or logs the settings shows no URL."""
    settings = read(DATABASE_URL="postgres://u:hunter2@db/name", REDIS_URL="redis://u:hunter2@redis")

    assert "hunter2" not in shown(settings)


@pytest.mark.parametrize("url", ["redis://:hunter2/x@redis", "redis://u:p@redis:hunter2", "http://u:hunter2@redis"])
def test_a_url_that_only_the_redis_library_refuses_is_not_shown(url: str) -> None:
    """What the library says of a URL may quote a password that it took for a port: it is not passed on."""
    with pytest.raises(SettingsError, match="REDIS_URL is no URL that Redis understands") as refused:
        open_redis(url, timeout=timedelta(seconds=1), client_name="test")

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["postgres://u:hunter2@db/name?no_such_option=1", "postgres://u:hunter2@[db/name"])
def test_a_url_that_only_libpq_refuses_is_not_shown(url: str) -> None:
    """What libpq says of a URL may quote all of it: it is not passed on."""
    with pytest.raises(SettingsError, match="DATABASE_URL is no URL that PostgreSQL understands") as refused:
        Database(url, application_name="test")

    assert "hunter2" not in str(refused.value)
