"""Suppressed addresses: which are, for how long, and what an operator's word counts (R33)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from publisher.domain.suppression import SuppressionReason
from storage.database import Database
from storage.mail.suppressions import (
    NewSuppression,
    Suppression,
    SuppressionFilter,
    add_suppression,
    find_suppression,
    list_suppressions,
    prune_suppressions,
    remove_suppression,
    suppress,
    suppressed_among,
)
from tests.integration.rows import count, execute

DAYS = timedelta(days=30)
BOUNCED, COMPLAINED = SuppressionReason.BOUNCED, SuppressionReason.COMPLAINED


def of(address: str, reason: SuppressionReason = BOUNCED) -> NewSuppression:
    """A suppression because of a delivery to this address."""
    return NewSuppression(address, reason, "n/email:user:7", "dsn")


def suppressed(database: Database, *new: NewSuppression, kept: timedelta = DAYS) -> int:
    """Suppresses these, and returns how many addresses that changed."""
    with database.unit() as connection, connection.atomic():
        return suppress(connection, new, kept)


def among(database: Database, *addresses: str) -> dict[str, SuppressionReason]:
    """Those of the addresses that are suppressed."""
    with database.unit() as connection:
        return suppressed_among(connection, addresses)


def found(database: Database, address: str) -> Suppression:
    """The suppression of the address."""
    suppression = find_suppression(database, address)
    assert suppression is not None
    return suppression


def lapse(database: Database, ago: str = "1 second") -> None:
    """Every suppression was over so long ago."""
    execute(database, "UPDATE mail_suppressions SET expires_at = now() - %s::interval", ago)


def test_an_address_is_suppressed_however_it_is_written(database: Database) -> None:
    """Upper and lower case and a domain's ASCII form are the same; others are not touched."""
    assert suppressed(database, of("Ann@Example.com"), of("dürer@müller.example", COMPLAINED)) == 2

    asked = ["ann@EXAMPLE.com", "Dürer@xn--mller-kva.example", "bob@example.com", ""]
    assert among(database, *asked) == {"ann@EXAMPLE.com": BOUNCED, "Dürer@xn--mller-kva.example": COMPLAINED}
    assert among(database) == {}


def test_a_suppression_is_over_when_its_time_is(database: Database) -> None:
    """By the database's clock; what is over shows nowhere, and pruning removes it alone."""
    suppressed(database, of("ann@example.com"))
    lapse(database)
    suppressed(database, of("bob@example.com"))

    assert among(database, "ann@example.com", "bob@example.com") == {"bob@example.com": BOUNCED}
    assert find_suppression(database, "ann@example.com") is None
    assert [s.address for s in list_suppressions(database, SuppressionFilter(), before=None, limit=9)] == [
        "bob@example.com"
    ]
    assert [prune_suppressions(database, timedelta()) for _ in range(2)] == [1, 0]
    assert count(database, "mail_suppressions") == 1


def test_a_later_event_prolongs_and_none_shortens(database: Database) -> None:
    """A suppression without an end, which an operator set, stays as it is."""
    suppressed(database, of("ann@example.com"))
    add_suppression(database, "bob@example.com", "asked us to stop", "ann", None)

    assert suppressed(database, of("ann@example.com"), of("bob@example.com"), kept=timedelta(days=1)) == 0
    assert suppressed(database, of("ann@example.com", COMPLAINED), kept=2 * DAYS) == 1
    assert (found(database, "ann@example.com").reason, found(database, "bob@example.com").note) == (
        COMPLAINED,
        "asked us to stop",
    )


def test_nothing_is_suppressed_for_no_time(database: Database) -> None:
    """PUBLISHER_MAIL_SUPPRESS=0 means never."""
    assert suppressed(database, of("ann@example.com"), kept=timedelta()) == 0
    assert count(database, "mail_suppressions") == 0


def test_an_operators_word_counts_also_for_less_time(database: Database) -> None:
    """It takes the place of what was there, and can be taken back."""
    suppressed(database, of("ann@example.com"))

    added = add_suppression(database, "ANN@example.com", None, "bob", timedelta(days=1))

    assert (added.address, added.reason, added.delivery_id, added.added_by) == (
        *("ann@example.com", SuppressionReason.OPERATOR, None, "bob"),
    )
    assert added.expires_at is not None
    assert added.expires_at - added.added_at == timedelta(days=1)
    assert remove_suppression(database, "Ann@example.com") == added
    assert remove_suppression(database, "ann@example.com") is None


def test_suppressions_are_listed_page_by_page(database: Database) -> None:
    """The newest first; of a domain and of a reason."""
    for name in "abc":
        suppressed(database, of(f"{name}@example.com", COMPLAINED if name == "b" else BOUNCED))
    suppressed(database, of("d@example.net"))
    domain = SuppressionFilter(domain="example.com")

    def listed(matching: SuppressionFilter, before: str | None = None, limit: int = 2) -> list[str]:
        return [s.address[0] for s in list_suppressions(database, matching, before=before, limit=limit)]

    assert listed(SuppressionFilter(), limit=9) == ["d", "c", "b", "a"]
    assert listed(domain) == ["c", "b"]
    assert listed(domain, before="B@example.com") == ["a"]
    assert listed(SuppressionFilter(reason=COMPLAINED)) == ["b"]


def test_processes_that_suppress_the_same_addresses_do_not_wait_for_each_other(database: Database) -> None:
    """In whatever order they come: no deadlock (R15)."""
    addresses = [of(f"{n}@example.com") for n in range(200)]

    with ThreadPoolExecutor(4) as threads:
        done = threads.map(lambda n: suppressed(database, *(addresses if n % 2 else reversed(addresses))), range(8))

    assert sum(done) >= 200
    assert count(database, "mail_suppressions") == 200
