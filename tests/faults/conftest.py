"""The outside world of a mail service that fails."""

import pytest

from tests.smtp_servers import HostileSmtp

# A process that died is succeeded after three seconds, and no server is waited for longer than one.
_QUICK = {
    "PUBLISHER_ROUTE_LEASE_TTL": "3",
    "PUBLISHER_SMTP_TIMEOUT": "1",
    "PUBLISHER_MAIL_BACKOFF_MAX": "0.5",
    "PUBLISHER_MAIL_CONNECTIONS": "4",
}


@pytest.fixture
def smtp(smtp: HostileSmtp, environ: dict[str, str]) -> HostileSmtp:
    """The SMTP server of this test's mail processes, which are soon succeeded when they die."""
    environ.update(_QUICK)
    return smtp
