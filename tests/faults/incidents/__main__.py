"""`python -m tests.faults.incidents`: makes incidents, and records what the processes served meanwhile."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tests.faults.incidents.incidents import HEALTHY, INCIDENTS, Incident
from tests.faults.incidents.promtool import first_firing
from tests.faults.incidents.recording import FOLDER, INTERVAL, Recording, made, read, write
from tests.faults.incidents.scene import recorded, scene

# A minute in which all is well, before each incident.
_BEFORE = 12


def main(
    names: Annotated[list[str] | None, typer.Argument(help="These incidents. Without any, all: an hour.")] = None,
    judge: Annotated[bool, typer.Option("--judge", help="Make none: judge the recordings anew.")] = False,
) -> None:
    """Record the metrics of incidents, and which alerts fire in them."""
    known = {incident.name: incident for incident in INCIDENTS}
    FOLDER.mkdir(exist_ok=True)
    for name in names or known:
        if not judge:
            typer.echo(f"{name}: {known[name].about}, {known[name].watched} s")
        recording = read(name) if judge else _record(known[name])
        fired = {alert: recording.since(second) for alert, second in first_firing(recording).items()}
        write(replace(recording, fired=fired))
        typer.echo(f"{name}: {', '.join(f'{alert} after {second:.0f} s' for alert, second in fired.items())}")


def _record(incident: Incident) -> Recording:
    after = round(incident.watched / INTERVAL.total_seconds())
    with (
        tempfile.TemporaryDirectory(prefix="publisher-incident-") as folder,
        scene(Path(folder), incident.environ, with_mailer=incident.with_mailer) as playing,
    ):
        playing.answers = incident.answers
        playing.fields = dict(incident.fields)
        scrapes, origin = recorded(playing, incident.begin, _BEFORE, after)
    if incident.name == HEALTHY:
        return made(incident.name, len(scrapes), scrapes, origin)
    # No alert reads them, and they are most of what is served.
    few = [{name: value for name, value in scrape.items() if "_bucket{" not in name} for scrape in scrapes]
    return made(incident.name, _BEFORE, few, origin)


if __name__ == "__main__":
    typer.run(main)
