"""How a command begins: its settings are read, its logs are configured, and PostgreSQL is opened if it needs it.

A command that only reads logs nothing. It is there sooner without structlog, which takes as long to import as Typer.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from publisher.connections import open_patient_database, open_servers
from publisher.domain.errors import SettingsError
from publisher.environment import load_settings, names_no_server
from publisher.settings.settings import Settings
from storage.database import Database

if TYPE_CHECKING:
    from publisher.streams.servers.stream_servers import StreamServers


def configured(*, by_hand: bool = True) -> Settings:
    """Reads the settings of this process and configures its logs by them.

    by_hand: a person runs the command. To a process of a deployment an error says nothing of `publisher up`.
    Raises SettingsError.
    """
    settings = _settings(by_hand=by_hand)
    _configure_logs(settings)
    return settings


@contextmanager
def opened(role: str = "cli") -> Iterator[tuple[Settings, Database]]:
    """Yields the settings and a database without statement timeouts; connects on its first use, closes it at the end.

    role: names the connection in pg_stat_activity. Raises SettingsError.
    """
    settings = configured()
    with closing(open_patient_database(settings, role)) as database:
        yield settings, database


@contextmanager
def reading() -> Iterator[tuple[Settings, Database]]:
    """Yields the settings and a database, as `opened` does, to a command that only reads.

    Its logs are configured if there is a setting to warn of. Raises SettingsError.

    No module that such a command imports may log: a test holds that.
    """
    settings = _settings()
    if settings.warnings:
        _configure_logs(settings)
    with closing(open_patient_database(settings, "cli")) as database:
        yield settings, database


@contextmanager
def streams(settings: Settings) -> Iterator["StreamServers"]:
    """Yields the Redis of every stream. Raises SettingsError if REDIS_URL names one shard of a cluster of several."""
    # Not imported by a command that needs PostgreSQL alone.
    from publisher.streams.servers.one_server import refuse_shards

    with open_servers(settings, "cli") as servers:
        refuse_shards(servers.hints)
        yield servers


def _settings(*, by_hand: bool = True) -> Settings:
    try:
        return load_settings()
    except SettingsError as error:
        if not by_hand or not names_no_server():
            raise
        raise SettingsError(f"{error}. `publisher up` in this folder starts both servers") from error


def _configure_logs(settings: Settings) -> None:
    from publisher.log_settings import configure_logs

    configure_logs(settings)
