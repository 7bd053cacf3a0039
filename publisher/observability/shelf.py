"""Finds and reads the files that watch the service, in a checkout and in an installed wheel alike."""

from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class WatchFile:
    """A file for another program. name: the word for `publisher observability show`. about: what it is."""

    name: str
    file: str
    about: str


FILES: tuple[WatchFile, ...] = (
    WatchFile("dashboard", "dashboard.json", "A Grafana dashboard, to be imported."),
    WatchFile("alerts", "alerts.yml", "Alert rules for Prometheus."),
    WatchFile("alerts-sql", "alerts.sql", "The alerts that PostgreSQL can tell, for those without Prometheus."),
    WatchFile("keda", "keda.yaml", "An example for KEDA: workers and mailers by what waits."),
)
NAMES: tuple[str, ...] = tuple(each.name for each in FILES)


def read_watch_file(name: str) -> str:
    """Returns the text of the file of this name, one of NAMES."""
    [found] = [each for each in FILES if each.name == name]
    return files("publisher.observability").joinpath("files", found.file).read_text(encoding="utf-8")
