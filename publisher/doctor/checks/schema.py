"""Whether the tables are what the code expects: migrations, columns, indexes, constraints, missing notifications."""

from collections.abc import Collection, Mapping, Sequence

from publisher.doctor.verdict import Diagnosis, failed, ok, together, warning
from publisher.operations.wording import names
from storage.route_orphans import DELETE_ORPHANS, LOOKED_AT, Orphans
from storage.schema.catalogue import Column, Constraint, Index


def migrations(pending: Sequence[str], foreign: Sequence[str]) -> Diagnosis:
    """pending: not applied yet. foreign: applied, and unknown to this release."""
    complaints = []
    if pending:
        complaints.append(failed(f"not applied: {names(pending)}", "run 'publisher migrate'"))
    if foreign:
        complaints.append(
            warning(
                f"applied by another release: {names(foreign)}",
                "deploy the release that knows them, unless you mean to go back",
            )
        )
    return together(complaints, "every migration is applied")


def columns(expected: Collection[Column], found: Collection[Column]) -> Diagnosis:
    """found: others' among them. A statement that names a missing one is refused, and intake and workers wait."""
    missing = [f"{column.table}.{column.name}" for column in expected if column not in found]
    if missing:
        return failed(f"missing: {names(missing)}", "add them as storage/migrations does: the service waits for them")
    return ok(f"all {len(expected)} are there")


def indexes(expected: Mapping[Index, str], found: Mapping[Index, bool]) -> Diagnosis:
    """expected: each with the statement that makes it. found: each with whether it is valid, others' among them.

    An index that is missing costs a scan of the whole table each time; a unique one, a promise.
    """
    by_name = {(index.table, index.name): index for index in found}
    complaints = []
    for index, statement in expected.items():
        there = by_name.get((index.table, index.name))
        if there is None:
            complaints.append(failed(f"{index.name} is missing", statement))
        elif there != index:
            complaints.append(
                failed(f"{index.name} is {there.shape}, not {index.shape}", f"drop it, and make it anew: {statement}")
            )
        elif not found[there]:
            complaints.append(
                failed(f"{index.name} is not valid and serves nobody", f"REINDEX INDEX CONCURRENTLY {index.name}")
            )
    return together(complaints, f"all {len(expected)} are there and valid")


def constraints(expected: Collection[Constraint], found: Mapping[Constraint, bool]) -> Diagnosis:
    """found: each with whether it holds for every row, old ones too."""
    missing = [c.name for c in expected if c not in found]
    not_valid = [c.name for c in expected if not found.get(c, True)]
    complaints = []
    if missing:
        complaints.append(
            failed(
                f"missing: {names(missing)}",
                "add them as storage/migrations does: nothing else keeps a state that cannot be from being written",
            )
        )
    if not_valid:
        complaints.append(
            failed(f"not valid: {names(not_valid)}", "mend the rows that break them, then VALIDATE CONSTRAINT each")
        )
    return together(complaints, f"all {len(expected)} are there and valid")


def notifications_of_routes(found: Orphans) -> Diagnosis:
    """Whether routes have their notifications, which no constraint keeps. The service never deletes one without both.

    A route without its notification cannot be published: each claim of it is an error (R10).
    """
    looked_at = f"the {LOOKED_AT:,} oldest and the {LOOKED_AT:,} newest routes"
    if not found.count:
        return ok(f"{looked_at} have their notifications")
    return failed(
        f"{found.count:,} of {looked_at} have no notification, route {found.first} the first, {found.last} the last",
        "bring the notifications back from a backup (routes.notification_key is notifications.id); or, as nobody knows"
        f" any more what such routes should say: {' '.join(DELETE_ORPHANS.split())}",
    )
