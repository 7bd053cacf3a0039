"""Checks that need no server: variables, timeouts, windows."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from importlib.metadata import entry_points

from publisher.doctor.checks import configuration, sessions
from publisher.doctor.grants import stream_variables
from publisher.doctor.steps.step import NOBODY, REDIS, Server, Step, own_redis
from publisher.doctor.verdict import Diagnosis
from publisher.domain.backoff import Backoff
from publisher.domain.channel import Channel
from publisher.settings.connection_url import ConnectionUrl
from publisher.settings.settings import Settings


def of_settings(settings: Settings) -> list[Step]:
    """Every check of the settings alone."""

    def timeouts() -> Diagnosis:
        limits = settings.timeouts
        return configuration.timeouts(
            connect=limits.connect,
            statement=limits.statement,
            redis=limits.redis,
            lease_ttl=settings.route_lease_ttl,
        )

    def windows() -> Diagnosis:
        return configuration.windows(
            dedup=settings.dedup_window,
            audit=settings.effective_audit_window,
            lease_ttl=settings.route_lease_ttl,
            scan_interval=settings.scan_interval,
            longest_backoff=_longest_backoff(settings.channels, settings.backoff),
        )

    return [
        Step(
            "settings",
            NOBODY,
            lambda: configuration.variables(
                settings.unknown_variables, settings.meant_variables, settings.renamed_variables
            ),
        ),
        Step("timeouts", NOBODY, timeouts),
        Step("windows", NOBODY, windows),
        Step(
            "tracing",
            NOBODY,
            lambda: configuration.tracing(
                settings.span_exporters, entry_points(group="opentelemetry_traces_exporter").names
            ),
        ),
        Step(
            "page",
            NOBODY,
            lambda: configuration.page(settings.web.host, settings.web.missing_tokens, is_open=settings.web.is_open),
        ),
        *(
            Step(f"{of.check}-tls", NOBODY, partial(sessions.redis_tls, url.text, settings.redis_tls))
            for of, url in _urls(settings)
        ),
    ]


def _urls(settings: Settings) -> Iterator[tuple[Server, ConnectionUrl]]:
    """The URL of each Redis."""
    yield REDIS, settings.redis_url
    for variable in stream_variables(settings):
        yield own_redis(variable), settings.stream_servers[variable].url


def _longest_backoff(channels_: Mapping[str, Channel], backoff: Backoff) -> timedelta:
    """The longest wait before the last attempt of any channel."""
    return max(
        (
            (channel.backoff or backoff).delay(channel.max_attempts - 1, 0.0)
            for channel in channels_.values()
            if channel.max_attempts > 1
        ),
        default=timedelta(0),
    )
