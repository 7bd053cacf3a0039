"""What the processes do with the environment they are given: URLs, blanks, and a dangerous setting (R36)."""

import signal
from urllib.parse import urlsplit, urlunsplit

from publisher.channels.registry import discover_channels
from publisher.settings.channels import ChannelSettings
from publisher.settings.settings import Settings
from tests.acceptance.conftest import Publisher
from tests.acceptance.local_run import PATIENCE, wait_until_serving
from tests.acceptance.test_cli_errors import all_of, assert_refused
from tests.processes import Processes

SECRET = "hush-5ecret"  # noqa: S105 - looked for in outputs
COMMANDS = [
    "migrate",
    "doctor",
    "status",
    "intake",
    "scheduler run",
    "scheduler scan",
    "intents send -",
    "up",
    "demo --yes",
]


def test_a_raw_password_is_told_by_every_process_and_never_tried(publisher: Publisher, processes: Processes) -> None:
    """Exit code 2 and one line on percent-encoding, without a part of the password: no retry, no traceback (R36)."""
    urls = {
        "DATABASE_URL": f"postgres://app:a@{SECRET}@127.0.0.1:1/name",
        "REDIS_URL": f"redis://app:a/{SECRET}@127.0.0.1:1/0",
    }

    for done in all_of(publisher, COMMANDS, **urls):
        *_, said = done.stderr.splitlines()
        assert done.returncode == 2, done.stderr
        assert said.startswith("publisher: bad settings: DATABASE_URL must be a URL")
        assert said.count("percent-encode") == 2
        assert SECRET not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    worker = processes.start("worker", **urls)
    assert worker.wait() == 2
    assert "percent-encode" in worker.output
    assert SECRET not in worker.output
    assert "Traceback" not in worker.output


def test_an_option_that_the_driver_would_obey_is_refused_at_start(publisher: Publisher) -> None:
    """REDIS_URL says where Redis is, and nothing about timeouts, replies or certificates."""
    for option in ("decode_responses", "socket_timeout", "ssl_cert_reqs"):
        [done] = all_of(publisher, ["status"], REDIS_URL=f"redis://127.0.0.1:1/0?{option}={SECRET}")

        assert_refused(done, 2, f"the option {option} in it is not allowed")
        assert SECRET not in done.stderr


def test_every_variable_may_be_blank(publisher: Publisher) -> None:
    """`${VAR:-}` in a compose file sets a variable to nothing, and its default holds."""
    of_channels = (v for channel in discover_channels().values() for v in ChannelSettings.variables(channel))
    ours = (str(field.alias) for field in Settings.model_fields.values())
    blank = {v: "" for v in (*ours, *of_channels) if v.startswith("PUBLISHER_")}

    done = publisher("status", **blank)

    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_a_certificate_that_is_not_verified_is_warned_of_by_every_process(
    publisher: Publisher, processes: Processes
) -> None:
    """PUBLISHER_REDIS_TLS=insecure is said at each start, in the log of each process."""
    said = "PUBLISHER_REDIS_TLS=insecure: the certificate of Redis is not verified"
    running = [processes.start(name, PUBLISHER_REDIS_TLS="insecure") for name in ("worker", "clock", "intake")]

    for process in running:
        process.wait_for_output(said)
    assert said in publisher("status", PUBLISHER_REDIS_TLS="insecure").stderr


def test_up_shows_no_password_of_the_servers_it_was_given(processes: Processes, environ: dict[str, str]) -> None:
    """Of a URL that was given, scheme, host, port and database are shown, and nothing else (R36)."""
    for name, user in (("DATABASE_URL", "postgres"), ("REDIS_URL", "default")):
        parts = urlsplit(environ[name])
        environ[name] = urlunsplit(parts._replace(netloc=f"{user}:{SECRET}@{parts.netloc.rpartition('@')[2]}"))

    up = processes.start("publisher up")
    wait_until_serving(up)
    up.signal(signal.SIGTERM)

    assert up.wait(PATIENCE) == 0, up.output
    assert SECRET not in up.output
    assert "DATABASE_URL and REDIS_URL are set: their servers are used, and none is started" in up.output
    assert f"REDIS_URL=redis://127.0.0.1:{urlsplit(environ['REDIS_URL']).port}/0\n" in up.output
