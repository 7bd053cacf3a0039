"""`publisher migrate`."""

from contextlib import closing

from publisher.bootstrap import configure_logs, load_settings, open_patient_database
from publisher.cli.output import JsonFlag, print_json
from storage import schema


def migrate(json: JsonFlag = False) -> None:
    """Bring the database schema up to date.

    Safe to run twice, and from two places at once: the second waits, then finds nothing to do.
    """
    settings = load_settings()
    configure_logs(settings)
    with closing(open_patient_database(settings, "migrate")) as database:
        applied = schema.migrate(database)
    if json:
        print_json({"applied": applied})
    elif applied:
        print(f"applied {', '.join(applied)}")
    else:
        print("the schema is up to date")
