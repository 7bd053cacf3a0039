"""The tables of the guide on sizing: measured by the benchmarks, or computed from RESULTS.md and the settings."""

from collections.abc import Callable
from datetime import timedelta

from publisher.channels.registry import discover_channels
from publisher.operations.wording import span
from publisher.settings.settings import Settings
from tests.benchmarks.recommended import POSTGRESQL, RATES, SETTINGS
from tests.benchmarks.results import written

Row = tuple[str, ...]
# Of a place that holds less than this nothing is said: no route of the measurement is in it.
_LEAST_MB = 0.5
# How many times what Redis holds it may take: while it rewrites its file, and what nobody foresees.
_REDIS_RESERVE = 1.5
# The indexes whose keys come in no order: a new key may belong to any page of theirs.
_UNORDERED = ("index notifications_identity", "index notifications_idempotency_key")


def settings(rate: int | None = None) -> Settings:
    """The settings that the guide names for this rate; None: the defaults."""
    said = SETTINGS[rate] if rate is not None else {}
    return Settings.from_environ(
        {"DATABASE_URL": "postgres://a/b", "REDIS_URL": "redis://a", **said}, discover_channels()
    )


def places_table() -> str:
    """What a million notifications take in each place, and which setting says how long."""
    places = sorted(_measured("stored").items(), key=lambda place: not place[0].startswith("PostgreSQL"))
    rows = [(_code(place), f"{size:,.0f}", _kept_for(place)) for place, size in places]
    return _table(("place", "MB a million", "kept for"), rows)


def written_table() -> str:
    """What a million notifications write."""
    return _table(
        ("file", "MB written a million"),
        [(place, f"{size:,.0f}") for place, size in _measured("written").items()],
    )


def cpu_table() -> str:
    """CPU seconds of a million notifications in a backlog, and the share of a core at each rate that was measured."""
    shares = {figure.what: figure.value.removesuffix(" of a core") for figure in written() if figure.group == "rates"}
    rates = [rate for rate in RATES if f"{rate:,} a second: CPU of intake" in shares]
    rows = []
    for name, seconds in _measured("cpu").items():
        at = [shares.get(f"{rate:,} a second: CPU of {name}", "") for rate in rates]
        rows.append((name, f"{seconds:,.0f} s", *at))
    return _table(("process", "a million, in a backlog", *(f"at {rate:,} a second" for rate in rates)), rows)


def growth_table() -> str:
    """What has grown, once it grows no more, at each rate."""
    rows: list[Row] = [
        _row("PostgreSQL, a day of notifications", lambda rate: _gb(_a_day(rate) * _kept())),
        _row("PostgreSQL, with the default settings", lambda rate: _gb(_postgresql(rate, settings()))),
        _row("PostgreSQL, with the settings above", lambda rate: _gb(_postgresql(rate, settings(rate)))),
        _row("of that, indexes in no order", lambda rate: _gb(_unordered(rate, settings(rate)))),
        _row("WAL a day, at least", lambda rate: _gb(_a_day(rate) * _of("without whole pages", "of pruning"))),
        _row("WAL a day, at most", lambda rate: _gb(_a_day(rate) * _of("every page whole", "of pruning"))),
        _row("Redis' memory, with the default settings", lambda rate: _gb(_redis(rate, settings()))),
        _row("Redis' memory, with the settings above", lambda rate: _gb(_redis(rate, settings(rate)))),
        _row("`maxmemory`", lambda rate: _gb(_redis(rate, settings(rate)) * _REDIS_RESERVE)),
    ]
    return _table(("", *(f"at {rate:,} a second" for rate in RATES)), rows)


def settings_table() -> str:
    """What to set at each rate."""
    names = sorted({name for by_rate in (SETTINGS, POSTGRESQL) for said in by_rate.values() for name in said})
    names.sort(key=lambda name: not name.startswith("PUBLISHER_"))
    rows = [
        (f"`{name}`", *({**SETTINGS[rate], **POSTGRESQL[rate]}.get(name, "default") for rate in RATES))
        for name in names
    ]
    return _table(("setting", *(f"at {rate:,} a second" for rate in RATES)), rows)


def _measured(kind: str) -> dict[str, float]:
    """Amounts of the group `sizes`, by place; those of at least _LEAST_MB, or s."""
    prefix = f"{kind}: "
    lines = [figure for figure in written() if figure.group == "sizes" and figure.what.startswith(prefix)]
    amounts = {line.what.removeprefix(prefix): float(line.value.split()[0].replace(",", "")) for line in lines}
    return {place: amount for place, amount in amounts.items() if amount >= _LEAST_MB}


def _code(place: str) -> str:
    """The place with names of relations as code."""
    server, _, of = place.partition(": ")
    kind, _, name = of.partition(" ")
    return f"{server}: {kind} `{name}`" if kind in {"table", "index"} else place


def _kept_for(place: str) -> str:
    of = settings()
    if "routes_due" in place:
        return "as long as a route is open; its pages are used again"
    if "pruned" in place:
        return f"{span(of.key_retention)} after the notification is pruned (`PUBLISHER_KEY_RETENTION`)"
    if place.startswith("PostgreSQL"):
        return f"{span(of.retention)} (`PUBLISHER_RETENTION`)"
    if "queues" in place:
        return "until a worker has read the message"
    if "witnesses" in place:
        return f"{span(of.dedup_window)} (`PUBLISHER_DEDUP_WINDOW`)"
    if "intents" in place:
        return f"{span(of.intents_retention)}, once it is acknowledged (`PUBLISHER_INTENTS_RETENTION`)"
    channel = place.rpartition(" ")[2]
    kept = of.channels[channel].stream_retention
    return f"{span(kept)}, once it is acknowledged (`PUBLISHER_{channel.upper()}_STREAM_RETENTION`)"


def _million(rate: int, lasting: timedelta) -> float:
    """How many millions of notifications come in this time."""
    return rate * lasting.total_seconds() / 1_000_000


def _a_day(rate: int) -> float:
    return _million(rate, timedelta(days=1))


def _of(*parts: str) -> float:
    """MB a million of all places whose names hold one of these."""
    everything = {**_measured("stored"), **_measured("written")}
    return sum(size for place, size in everything.items() if any(part in place for part in parts))


def _kept() -> float:
    """MB of a million notifications that are kept: without their keys once they are pruned, and with no route open."""
    passing = "pruned", "routes_due"
    of = {place: size for place, size in _measured("stored").items() if place.startswith("PostgreSQL")}
    return sum(size for place, size in of.items() if not any(part in place for part in passing))


def _postgresql(rate: int, of: Settings) -> float:
    return _million(rate, of.retention) * _kept() + _million(rate, of.key_retention) * _of("pruned_notifications")


def _unordered(rate: int, of: Settings) -> float:
    keys = _million(rate, of.key_retention) * _of("index pruned_notifications_pkey")
    return _million(rate, of.retention) * _of(*_UNORDERED) + keys


def _redis(rate: int, of: Settings) -> float:
    """What is acknowledged and kept, and as much besides as a reader may leave unread."""
    held = _million(rate, of.intents_retention) * _of("intents stream") + _million(rate, of.dedup_window) * _of(
        "witnesses"
    )
    for name in ("email", "push"):
        channel = of.channels[name]
        millions = _million(rate, channel.stream_retention) + channel.stream_ceiling / 1_000_000
        held += millions * _of(f"outbound stream of {name}")
    return held


def _row(what: str, at: Callable[[int], str]) -> Row:
    return (what, *map(at, RATES))


def _gb(megabytes: float) -> str:
    gigabytes = megabytes / 1000
    return f"{gigabytes:,.0f} GB" if gigabytes >= 10 else f"{gigabytes:.1f} GB"


def _table(head: Row, rows: list[Row]) -> str:
    lines = (f"| {' | '.join(row)} |" for row in (head, *rows))
    return "\n".join([next(lines), "|---" * len(head) + "|", *lines])
