"""Suppressed addresses: the mail service sends nothing to them (R33).

An address is kept as it is compared (`domain.suppression`). A suppression is over when its time is, by the database's
clock; pruning removes it later.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import peewee

from publisher.domain.suppression import SuppressionReason, comparable_address
from storage.array_literals import columns
from storage.clock import NOW
from storage.database import Database, Row, fetch


@dataclass(frozen=True, slots=True)
class NewSuppression:
    """An address that is to be suppressed because of a delivery event.

    address: of the delivery's own recipient, never one that only a report names.
    delivery_id: the delivery that bounced or was complained of.
    source: of the event.
    """

    address: str
    reason: SuppressionReason
    delivery_id: str
    source: str


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address to which nothing is sent.

    address: as it is compared.
    delivery_id: the delivery that bounced or was complained of; None: an operator added it.
    note: what the operator said, or None.
    added_by: the operator, or the source of the event.
    expires_at: until when; None: until an operator removes it.
    """

    address: str
    reason: SuppressionReason
    delivery_id: str | None
    note: str | None
    added_by: str
    added_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class SuppressionFilter:
    """Selects the suppressions in force that match every field that is not None. domain: of the address."""

    reason: SuppressionReason | None = None
    domain: str | None = None


_COLUMNS = "address, reason, delivery_id, note, added_by, added_at, expires_at"
_IN_FORCE = "(expires_at IS NULL OR expires_at > statement_timestamp())"

# Nothing shortens a suppression: neither a later event nor one that was read late. Rows come sorted by address: two
# processes that suppress the same ones in different orders would deadlock.
_SUPPRESS = f"""/* suppress */
INSERT INTO mail_suppressions AS s (address, reason, delivery_id, added_by, added_at, expires_at)
SELECT address, reason, delivery_id, source, {NOW}, {NOW} + %s
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS given (address, reason, delivery_id, source)
ORDER BY address
ON CONFLICT (address) DO UPDATE
SET reason = excluded.reason, delivery_id = excluded.delivery_id, note = NULL, added_by = excluded.added_by,
    added_at = excluded.added_at, expires_at = excluded.expires_at
WHERE s.expires_at < excluded.expires_at
RETURNING address
"""

_AMONG = f"""/* suppressed_among */
SELECT address, reason FROM mail_suppressions WHERE address = ANY(%s::text[]) AND {_IN_FORCE}
"""

# An operator's word counts, also for less time than there was.
_ADD = f"""/* add_suppression */
INSERT INTO mail_suppressions (address, reason, note, added_by, added_at, expires_at)
VALUES (%s, 'operator', %s, %s, {NOW}, {NOW} + %s::interval)
ON CONFLICT (address) DO UPDATE
SET reason = excluded.reason, delivery_id = NULL, note = excluded.note, added_by = excluded.added_by,
    added_at = excluded.added_at, expires_at = excluded.expires_at
RETURNING {_COLUMNS}
"""

_REMOVE = (
    f"/* remove_suppression */ DELETE FROM mail_suppressions WHERE address = %s AND {_IN_FORCE} RETURNING {_COLUMNS}"
)

_FIND = f"/* find_suppression */ SELECT {_COLUMNS} FROM mail_suppressions WHERE address = %s AND {_IN_FORCE}"

# Reads every row: for an operator's eyes, not for a loop.
_LIST = f"""/* list_suppressions */
SELECT {_COLUMNS} FROM mail_suppressions
WHERE {_IN_FORCE}
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(domain)s::text IS NULL OR split_part(address, '@', -1) = %(domain)s)
  AND (%(before)s::text IS NULL
       OR (added_at, address) < (SELECT added_at, address FROM mail_suppressions WHERE address = %(before)s))
ORDER BY added_at DESC, address DESC LIMIT %(limit)s
"""

_COUNT = f"/* count_suppressions */ SELECT count(*) FROM mail_suppressions WHERE {_IN_FORCE}"

# By the index mail_suppressions_expiring.
_PRUNE = """/* prune_suppressions */
DELETE FROM mail_suppressions
WHERE address = ANY(ARRAY(
    SELECT address FROM mail_suppressions
    WHERE expires_at <= statement_timestamp() - %(kept)s
    ORDER BY expires_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
))
RETURNING 1
"""


def suppress(connection: peewee.PostgresqlDatabase, new: Collection[NewSuppression], kept: timedelta) -> int:
    """Suppresses the addresses from now on, within the caller's transaction. Returns how many that changed.

    kept: for how long. Zero suppresses none. A suppression that lasts longer stays as it is, and one that an operator
    set without an end always does.
    """
    if not new or not kept:
        return 0
    # Of several events of one address the last counts.
    given = {comparable_address(each.address): each for each in new}
    rows = [(a, each.reason.value, each.delivery_id, each.source) for a, each in given.items()]
    return len(fetch(connection, _SUPPRESS, [kept, *columns(rows)]))


def suppressed_among(connection: peewee.PostgresqlDatabase, addresses: Collection[str]) -> dict[str, SuppressionReason]:
    """Returns those of these addresses that are suppressed at this moment, as they were given, each with the reason.

    One statement, whatever their number.
    """
    if not addresses:
        return {}
    compared = {address: comparable_address(address) for address in addresses}
    found: dict[str, str] = dict(fetch(connection, _AMONG, [list(set(compared.values()))]))
    return {a: SuppressionReason(found[key]) for a, key in compared.items() if key in found}


def suppressed_addresses(database: Database, addresses: Collection[str]) -> dict[str, SuppressionReason]:
    """Returns those of these addresses that are suppressed, as `suppressed_among` does, in a unit of its own."""
    with database.unit() as connection:
        return suppressed_among(connection, addresses)


def add_suppression(database: Database, address: str, note: str | None, by: str, kept: timedelta | None) -> Suppression:
    """Suppresses an address because an operator says so, in the place of a suppression that is there.

    kept: for how long; None: until it is removed. Raises DatabaseUnavailable.
    """
    return _record(database.rows(_ADD, [comparable_address(address), note, by, kept])[0])


def remove_suppression(database: Database, address: str) -> Suppression | None:
    """Removes the suppression, and returns it as it was; None if the address is not suppressed."""
    rows = database.rows(_REMOVE, [comparable_address(address)])
    return _record(rows[0]) if rows else None


def find_suppression(database: Database, address: str) -> Suppression | None:
    """Returns the suppression of the address; None if it is not suppressed. Raises DatabaseUnavailable."""
    rows = database.rows(_FIND, [comparable_address(address)])
    return _record(rows[0]) if rows else None


def list_suppressions(
    database: Database, matching: SuppressionFilter, *, before: str | None, limit: int
) -> Sequence[Suppression]:
    """Returns up to `limit` suppressions in force, newest first. before: the last address seen, for the next page."""
    parameters = asdict(matching) | {"before": before and comparable_address(before), "limit": limit}
    return [_record(row) for row in database.rows(_LIST, parameters)]


def count_suppressions(database: Database) -> int:
    """Returns how many addresses are suppressed. Reads every row. Raises DatabaseUnavailable."""
    return int(database.rows(_COUNT)[0][0])


def prune_suppressions(database: Database, kept: timedelta, *, limit: int = 5_000) -> int:
    """Deletes suppressions that were over longer ago than `kept`. Returns how many were deleted."""
    return len(database.rows(_PRUNE, {"kept": kept, "limit": limit}))


def _record(row: Row) -> Suppression:
    address, reason, *rest = row
    return Suppression(address, SuppressionReason(reason), *rest)
