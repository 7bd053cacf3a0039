"""What sessions bring along: isolation that a role or database sets, and whether the other side is who it says."""

from publisher.doctor.verdict import Diagnosis, ok, warning
from storage.health import Isolation, Tls

READ_COMMITTED = "read committed"
_VERIFYING = ("verify-ca", "verify-full")


def isolation(found: Isolation) -> Diagnosis:
    """Transactions are read committed: a stricter isolation refuses good work whenever two processes meet."""
    if found.session != READ_COMMITTED:
        return warning(
            f"transactions are {found.session}",
            "reset default_transaction_isolation of the role, the database or the server: such transactions are several"
            " times slower, and count attempts that failed for no fault of their route",
        )
    if found.default not in (None, READ_COMMITTED):
        return ok(f"transactions are {READ_COMMITTED}, though this role or database sets {found.default}")
    return ok(f"transactions are {READ_COMMITTED}")


def postgresql_tls(found: Tls) -> Diagnosis:
    """Where TLS is used, the certificate is verified: else anyone in between may read and write."""
    if found.in_use and found.mode not in _VERIFYING:
        return warning(
            f"encrypted, and the server's certificate is not verified (sslmode={found.mode})",
            "sslmode=verify-full, and sslrootcert with your provider's authority, in DATABASE_URL",
        )
    return ok(f"verified (sslmode={found.mode})" if found.in_use else "not encrypted")


def redis_tls(url: str, mode: str) -> Diagnosis:
    """As for PostgreSQL. url: of the Redis. mode: PUBLISHER_REDIS_TLS."""
    if not url.startswith("rediss"):
        return ok("not encrypted")
    if mode == "insecure":
        return warning(
            "encrypted, and the server's certificate is not verified (PUBLISHER_REDIS_TLS=insecure)",
            "take it away, and name a private authority in PUBLISHER_REDIS_CA_FILE",
        )
    return ok("verified")
