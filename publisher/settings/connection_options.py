"""The options that the query of a connection URL may hold.

The drivers obey every option that they know, whatever it breaks: an encoding, a timeout beyond the lease, a certificate
that nobody verifies. So what is not listed here is refused at start.
"""

import re
from collections.abc import Mapping, Sequence

_METHODS = ("password", "md5", "gss", "sspi", "scram-sha-256", "none")
# Option -> the values that it may have; None: any.
Options = Mapping[str, frozenset[str] | None]

DATABASE_OPTIONS: Options = {
    # Where the server is. A server that only reads is of no use.
    **dict.fromkeys(("host", "hostaddr", "port", "dbname")),
    "target_session_attrs": frozenset({"any", "read-write", "primary"}),
    "load_balance_hosts": frozenset({"disable", "random"}),
    # Who logs in, and by what proof.
    **dict.fromkeys(("user", "password", "passfile", "krbsrvname")),
    "gsslib": frozenset({"gssapi"}),
    # libpq shows a value that it does not understand, whenever it connects.
    "require_auth": frozenset(f"{no}{method}" for no in ("", "!") for method in _METHODS),
    **dict.fromkeys(("scram_client_key", "scram_server_key")),
    "channel_binding": frozenset({"disable", "prefer", "require"}),
    "gssdelegation": frozenset({"0", "1"}),
    "gssencmode": frozenset({"disable", "prefer", "require"}),
    # How the connection is encrypted, and who the server must be.
    **dict.fromkeys(("sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslcrldir", "requirepeer")),
    "ssl": frozenset({"true"}),
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "sslnegotiation": frozenset({"postgres", "direct"}),
    "sslcertmode": frozenset({"disable", "allow", "require"}),
    "sslcompression": frozenset({"0", "1"}),
    "sslsni": frozenset({"0", "1"}),
    "ssl_min_protocol_version": frozenset({"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}),
    "ssl_max_protocol_version": frozenset({"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}),
    # Session settings such as search_path, and names for pg_stat_activity: the service sets its own after them.
    **dict.fromkeys(("options", "application_name", "fallback_application_name")),
}
# The timeouts must fit the lease, replies must keep their shape, and TLS is PUBLISHER_REDIS_TLS's matter.
REDIS_OPTIONS: Options = {"db": None}
# How to log in to the Sentinels: the login before the hosts is that of Redis.
SENTINEL_OPTIONS: Options = {**REDIS_OPTIONS, **dict.fromkeys(("sentinel_username", "sentinel_password"))}

_SECRET = frozenset({"password", "sslpassword", "scram_client_key", "scram_server_key", "sentinel_password"})
_NAME = re.compile(r"[A-Za-z_]\w{0,40}", re.ASCII)


def option_problem(options: Sequence[tuple[str, str | None]], allowed: Options) -> str | None:
    """The rule that the first bad option breaks, never with a value; None if all are allowed.

    options: name and value as they stand in the query, decoded; a value of None had no equals sign.
    """
    seen: set[str] = set()
    for name, value in options:
        # After a password with a raw & in it, what looks like a name may be the rest of that password.
        nameable = value is not None and _NAME.fullmatch(name) and not _SECRET & seen
        if name not in allowed or value is None:
            return f"the option {name} in it is not allowed" if nameable else "an option in it is not allowed"
        if name in seen:
            return f"the option {name} stands in it twice"
        values = allowed[name]
        if values is not None and any(part not in values for part in _parts(name, value)):
            return f"the option {name} in it must be one of: {', '.join(sorted(values))}"
        seen.add(name)
    return None


def _parts(name: str, value: str) -> Sequence[str]:
    # The one option that may be a list.
    return value.split(",") if name == "require_auth" else [value]
