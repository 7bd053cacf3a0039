"""Whether PostgreSQL can do its work: writable, durable, and with nothing that keeps dead rows from being removed."""

from collections.abc import Sequence
from datetime import timedelta

from publisher.doctor.verdict import Diagnosis, failed, ok, together, warning
from publisher.operations.wording import names, size, span
from storage.activity import Prepared, Slot, Transaction
from storage.health import Hosts, PostgresServer, Table
from storage.schema.schema import ENCODING

# A server must answer this much faster than its timeout: an attempt's statements do more than nothing.
ROUND_TRIPS_A_TIMEOUT = 10
# Nothing of the service is ever as long: a batch is a second's work.
_LONG = timedelta(minutes=5)
_FORGOTTEN = timedelta(days=1)
# Transactions that began since: about a minute of a busy service.
_OLD_XMIN = 1_000_000
# Fewer dead rows are no one's trouble, and autovacuum removes them at a fifth of the table by default.
_DEAD_AT_LEAST = 10_000
_DEAD_SHARE = 0.5


def server(found: PostgresServer, round_trip: timedelta, timeout: timedelta) -> Diagnosis:
    """One that takes writes, and answers much faster than the service waits."""
    complaints = []
    if found.standby or found.read_only:
        complaints.append(
            failed(
                "it takes no writes: a standby, or read only",
                "point DATABASE_URL at the primary, with a role that may write",
            )
        )
    if round_trip * ROUND_TRIPS_A_TIMEOUT > timeout:
        complaints.append(
            warning(
                f"it answers in {span(round_trip)}, and the service waits {span(timeout)}",
                "raise PUBLISHER_ROUTE_LEASE_TTL, which the timeouts follow, or move the service closer",
            )
        )
    return together(complaints, f"PostgreSQL {found.version} answers in {span(round_trip)}")


def hosts(found: Hosts) -> Diagnosis:
    """Of several hosts the one that takes writes is used, also after a failover: the others let us in, as standbys."""
    if found.named == 1:
        return ok(f"{found.reached}, the one host that DATABASE_URL names")
    if not found.chosen:
        return warning(
            f"{found.reached} is used, the first of {found.named} hosts that answered, be it a standby",
            "write target_session_attrs=read-write into DATABASE_URL: then the one that takes writes is used",
        )
    complaints = []
    if found.primaries:
        complaints.append(
            failed(
                f"{found.reached} is used, and a primary is {names(found.primaries)}, too",
                "stop the one that was not promoted last: what is written there is on no other host",
            )
        )
    complaints += [
        warning(f"a host that a failover may lead to was not connected to: {said}", "mend that before a failover")
        for said in found.refusals
    ]
    return together(complaints, f"{found.reached} is used, which takes writes, of {found.named} hosts")


def writes(refusal: str | None) -> Diagnosis:
    """PostgreSQL takes a write. refusal: what it said to one, None where it took it."""
    if refusal is not None:
        return failed(
            f"it took no write: {refusal}",
            "see its log: a full disk, a standby or a role that may only read, or a synchronous standby that is away",
        )
    return ok("a write was committed, and nothing of it is left")


def encoding(found: str) -> Diagnosis:
    """The database holds every text that a producer may write (R19a)."""
    if found != ENCODING:
        return failed(
            f"the database's encoding is {found}",
            f"move to a database made with ENCODING '{ENCODING}' TEMPLATE template0: this one does not hold every text,"
            " and intents with others become malformed",
        )
    return ok(f"the database's encoding is {found}")


def durability(found: PostgresServer) -> Diagnosis:
    """What is committed survives a crash: an intent is acknowledged on the strength of it (R20)."""
    off = [name for name in ("fsync", "full_page_writes") if not getattr(found, name)]
    if found.synchronous_commit == "off":
        off.append("synchronous_commit")
    if off:
        return warning(
            f"off: {names(off)}", "turn it on: a crash of PostgreSQL may lose intents that were acknowledged"
        )
    return ok("a commit is on disk")


def transactions(oldest: Sequence[Transaction]) -> Diagnosis:
    """No open transaction is so old that the dead rows of a busy table pile up behind it."""
    complaints = []
    for found in oldest:
        name = f"pid {found.pid} ({found.application or found.user or 'no name'}, {found.state or 'state not shown'})"
        remedy = f"end it: pg_terminate_backend({found.pid}), and bound its kind by idle_in_transaction_session_timeout"
        if found.age is not None and found.age > _FORGOTTEN:
            complaints.append(failed(f"{name} has been in a transaction for {span(found.age)}", remedy))
        elif found.age is not None and found.age > _LONG:
            complaints.append(warning(f"{name} has been in a transaction for {span(found.age)}", remedy))
        elif found.age is None and found.xmin_age > _OLD_XMIN:
            complaints.append(warning(f"{name} sees rows as {found.xmin_age:,} transactions ago", remedy))
    ages = [found.age for found in oldest if found.age is not None]
    return together(complaints, f"the oldest has run for {span(max(ages))}" if ages else "none is open")


def prepared(found: Sequence[Prepared]) -> Diagnosis:
    """The service prepares none: one that is left holds back the removal of dead rows, also over a restart."""
    old = [p for p in found if p.age > _LONG]
    if not old:
        return ok(f"none waits for long, of {len(found)}" if found else "none waits")
    listed = names([f"{p.gid!r} of {p.owner} for {span(p.age)}" for p in old])
    return warning(f"waiting: {listed}", "COMMIT PREPARED or ROLLBACK PREPARED each: they hold back vacuum")


def slots(found: Sequence[Slot]) -> Diagnosis:
    """A slot that nobody reads keeps WAL until the disk is full, and may hold back the removal of dead rows."""
    complaints = []
    for slot in found:
        if not slot.active:
            kept = "" if slot.retained is None else f", {size(slot.retained)} of WAL kept"
            complaints.append(
                warning(
                    f"{slot.name} is read by nobody{kept}",
                    f"start its reader, or pg_drop_replication_slot('{slot.name}')",
                )
            )
        elif slot.xmin_age is not None and slot.xmin_age > _OLD_XMIN:
            complaints.append(
                warning(
                    f"{slot.name} holds rows of {slot.xmin_age:,} transactions ago",
                    "end long queries on the standby, or turn its hot_standby_feedback off",
                )
            )
    return together(complaints, f"each is read, {len(found)} in all" if found else "there is none")


def dead_rows(tables: Sequence[Table]) -> Diagnosis:
    """Dead rows are removed about as fast as they come: claims walk over those that are not."""
    complaints = []
    for table in tables:
        vacuumed = "never vacuumed" if table.vacuumed is None else f"vacuumed {span(table.vacuumed)} ago"
        if not table.autovacuum:
            complaints.append(warning(f"autovacuum is off for {table.name}", "turn it on"))
        if table.dead > max(_DEAD_AT_LEAST, table.live * _DEAD_SHARE):
            complaints.append(
                warning(
                    f"{table.name} has {table.dead:,} dead rows beside {table.live:,} live ones, {vacuumed}",
                    f"VACUUM {table.name}; if it does not help, see the checks of transactions and slots",
                )
            )
    dead = ", ".join(f"{table.name} {table.dead:,}" for table in tables if table.dead)
    return together(complaints, f"dead: {dead}" if dead else "no dead rows")
