"""What Prometheus would have scraped: a series of values for each sample, in promtool's notation, on disk as JSON."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from pathlib import Path

FOLDER = Path(__file__).parent / "recordings"
# As often as a snapshot is taken.
INTERVAL = timedelta(seconds=5)
_LABELS = re.compile(r"(?<=\{)[^}]*(?=\})")
# A sample of a scrape: its name with its labels, as they are printed, and its value.
Scrape = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Recording:
    """The series of an incident, from a while before it began.

    began: the number of the first scrape after its begin; of the healthy run the number of all.
    series: by name and labels, in promtool's notation; each begins with the first scrape.
    fired: the alerts that fired in it, by promtool: when first, in seconds after it began.
    """

    incident: str
    began: int
    scrapes: int
    series: Mapping[str, str]
    fired: Mapping[str, float] = field(default_factory=dict)

    def since(self, second: float) -> float:
        """How long after the incident began this second of the recording is."""
        return second - self.began * INTERVAL.total_seconds()

    @property
    def lasts(self) -> float:
        """How many seconds it lasts."""
        return (self.scrapes - 1) * INTERVAL.total_seconds()


def made(incident: str, began: int, scrapes: Sequence[Scrape], origin: float) -> Recording:
    """Makes a recording of these scrapes. origin: the Unix seconds of the first, which is second 0 of the recording."""
    names = sorted({name for scrape in scrapes for name in scrape})
    series = {}
    for name in names:
        values = [scrape.get(name) for scrape in scrapes]
        if "_timestamp_seconds" in name:
            values = [None if value is None else round(value - origin, 3) for value in values]
        series[name] = notation(values)
    return Recording(incident, began, len(scrapes), series)


def notation(values: Sequence[float | None]) -> str:
    """The values as promtool reads them. None: the sample is missing, and stale if it was there before."""
    parts = []
    before: float | None = None
    for value, same in groupby(values):
        count = len(list(same))
        if value is None:
            if before is not None:
                parts.append("stale")
                count -= 1
            parts += [f"_x{count}"] if count else []
        else:
            shown = f"{value:g}" if value != math.trunc(value) else f"{value:.0f}"
            parts.append(f"{shown}x{count - 1}" if count > 1 else shown)
        before = value
    return " ".join(parts)


def labelled(scrape: Scrape, instance: str) -> dict[str, float]:
    """The samples with the label that Prometheus gives to everything that it scrapes."""
    return {_with(name, f'instance="{instance}"'): value for name, value in scrape.items()}


def write(recording: Recording, folder: Path = FOLDER) -> None:
    """Writes a recording, a series a line."""
    lines = {
        "incident": recording.incident,
        "began": recording.began,
        "scrapes": recording.scrapes,
        "fired": dict(recording.fired),
        "series": dict(recording.series),
    }
    (folder / f"{recording.incident}.json").write_text(json.dumps(lines, indent=0) + "\n")


def read(incident: str, folder: Path = FOLDER) -> Recording:
    """The recording of this incident."""
    found = json.loads((folder / f"{incident}.json").read_text())
    return Recording(found["incident"], found["began"], found["scrapes"], found["series"], found.get("fired", {}))


def _with(name: str, label: str) -> str:
    if "{" not in name:
        return f"{name}{{{label}}}"
    return _LABELS.sub(lambda labels: f"{labels[0]},{label}", name, count=1)
