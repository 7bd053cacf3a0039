"""How a command begins: its settings are read, its logs are configured, and PostgreSQL is opened if it needs it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from publisher.connections import open_patient_database
from publisher.domain.errors import SettingsError
from publisher.environment import load_settings, names_no_server
from publisher.log_settings import configure_logs
from publisher.settings.settings import Settings
from storage.database import Database


def configured(*, by_hand: bool = True) -> Settings:
    """Reads the settings of this process and configures its logs by them.

    by_hand: a person runs the command. To a process of a deployment an error says nothing of `publisher up`.
    Raises SettingsError.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        if not by_hand or not names_no_server():
            raise
        raise SettingsError(f"{error}. `publisher up` in this folder starts both servers") from error
    configure_logs(settings)
    return settings


@contextmanager
def opened(role: str = "cli") -> Iterator[tuple[Settings, Database]]:
    """Yields the settings and a database without statement timeouts; connects on its first use, closes it at the end.

    role: names the connection in pg_stat_activity. Raises SettingsError.
    """
    settings = configured()
    with closing(open_patient_database(settings, role)) as database:
        yield settings, database
