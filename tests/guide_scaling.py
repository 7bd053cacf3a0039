"""The tables of the guide on scaling: measured by the benchmarks, or computed from RESULTS.md."""

import math

from tests.benchmarks.partitions import COUNTS, spread_name
from tests.benchmarks.results import written
from tests.benchmarks.scaling import fleet_name
from tests.benchmarks.size import Size

Row = tuple[str, ...]
_PARTS = ("intake", "worker", "PostgreSQL", "Redis")
_RATES = (3_000, 10_000, 30_000, 100_000)
# How busy a process may be on average, so that a burst does not make it late.
_BUSY = 0.7
_ROUTES = 2
_MACHINES, _CORES = (1, 10, 100), 2


def fleets_table() -> str:
    """What each fleet carries, and the CPU milliseconds of each part for 1,000 intents."""
    lines = {figure.what: figure for figure in written() if figure.group == "scaling"}
    rows = []
    for workers, intakes in Size().fleets:
        fleet = fleet_name(workers, intakes)
        rate = lines[f"{fleet}: intents a second"].value.removesuffix(" intents/s")
        cpu = [float(lines[f"{fleet}: {part}"].value.removesuffix(" ms for 1,000 intents")) for part in _PARTS]
        rows.append((str(workers), str(intakes), rate, *(f"{each:.0f}" for each in cpu), f"{sum(cpu):.0f}"))
    return _table(("worker processes", "intakes", "intents a second", *_PARTS, "together"), rows)


def spread_table() -> str:
    """What more processes over more partitions cost: CPU milliseconds of each part for 1,000 intents."""
    lines = {figure.what: figure for figure in written() if figure.group == "partitions"}
    rows = []
    for partitions in COUNTS:
        for processes in Size().spread:
            name = spread_name(processes, partitions)
            cpu = [lines[f"{name}: {part}"].value.removesuffix(" ms for 1,000 intents") for part in _PARTS]
            together = lines[f"{name}: together"]
            whole = together.value.removesuffix(" ms for 1,000 intents")
            numbers = [f"{float(each):.0f}" for each in (*cpu, whole)]
            rows.append((str(partitions), str(processes), *numbers, together.beside.removesuffix(" the first")))
    return _table(("partitions and servers", "workers and intakes", *_PARTS, "together", ""), rows)


def parts_table() -> str:
    """CPU milliseconds of 1,000 intents on each server, by what they are spent on."""
    rows = [(what, f"{_redis()[what]:.0f}", f"{_postgresql()[what]:.0f}") for what in _redis()]
    return _table(("", "Redis", "PostgreSQL"), [*rows, ("together", *map(_sum, (_redis(), _postgresql())))])


def one_core_table() -> str:
    """How many intents a second one core of each part carries."""
    parts = {
        "one intake": _cpu("intake alone", "intake"),
        "one worker process": _cpu("end to end", "worker"),
        "one core of PostgreSQL": sum(_postgresql().values()),
        "one Redis: it has one thread for commands": sum(_redis().values()),
    }
    rows = [(part, f"{cpu:.0f}", _at_most(cpu)) for part, cpu in parts.items()]
    return _table(("part", "CPU ms for 1,000 intents", "intents a second, at the most"), rows)


def split_table() -> str:
    """What the busiest Redis carries where the keys are split over several."""
    redis = _redis()
    inbound = redis["producers send"] + redis["intake accepts"]
    outbound = redis["workers publish"]
    rows = [
        ("one", inbound + outbound),
        ("one for intents and queues, one for both outbound streams", max(inbound, outbound)),
        ("one for intents and queues, one for each of two outbound streams", max(inbound, outbound / 2)),
        ("the same, and each outbound stream in four partitions", max(inbound, outbound / 8)),
    ]
    return _table(
        ("Redis servers", "the busiest, CPU ms for 1,000 intents", "intents a second, at the most"),
        [(servers, f"{cpu:.0f}", _at_most(cpu)) for servers, cpu in rows],
    )


def paper_table() -> str:
    """What each rate takes, computed from the CPU of one intent."""
    intake, worker = _cpu("intake alone", "intake"), _cpu("end to end", "worker")
    postgresql, redis, wal = sum(_postgresql().values()), sum(_redis().values()), _wal()
    rows = [
        ("intakes", *(_processes(rate, intake) for rate in _RATES)),
        ("worker processes", *(_processes(rate, worker) for rate in _RATES)),
        ("cores of PostgreSQL", *(f"{rate * postgresql / 1e6:.1f}" for rate in _RATES)),
        ("WAL of PostgreSQL, at least", *(f"{rate * _ROUTES * wal / 1e6:,.0f} MB/s" for rate in _RATES)),
        ("cores of Redis", *(f"{rate * redis / 1e6:.1f}" for rate in _RATES)),
    ]
    return _table(("", *(f"{rate:,} a second" for rate in _RATES)), rows)


def machines_table() -> str:
    """What so many machines of two cores would carry with workers and intakes, and what their servers take then."""
    own = _cpu("intake alone", "intake") + _cpu("end to end", "worker")
    postgresql, redis, wal = sum(_postgresql().values()), sum(_redis().values()), _wal()
    # In hundreds: they are computed, and no more exact than that.
    rates = [math.floor(machines * _CORES * _BUSY / own * 1e4) * 100 for machines in _MACHINES]
    partitions = [math.ceil(rate * redis / 1e6 / _BUSY) for rate in rates]
    rows = [
        ("intents a second", *(f"{rate:,}" for rate in rates)),
        ("cores of Redis", *(f"{rate * redis / 1e6:.1f}" for rate in rates)),
        ("servers for streams, of one core each", *(f"{count:,}" for count in partitions)),
        ("cores of PostgreSQL", *(f"{rate * postgresql / 1e6:.1f}" for rate in rates)),
        ("WAL of PostgreSQL, at least", *(f"{rate * _ROUTES * wal / 1e6:,.0f} MB/s" for rate in rates)),
    ]
    heads = [f"{count} machine{'s' if count > 1 else ''}" for count in _MACHINES]
    return _table(("", *heads), rows)


def _redis() -> dict[str, float]:
    return {
        "producers send": _cpu("producers", "Redis"),
        "intake accepts": _cpu("intake alone", "Redis"),
        "workers publish": _cpu("end to end", "Redis") - _cpu("intake alone", "Redis"),
    }


def _postgresql() -> dict[str, float]:
    return {
        "producers send": 0.0,
        "intake accepts": _cpu("intake alone", "PostgreSQL"),
        "workers publish": _cpu("end to end", "PostgreSQL") - _cpu("intake alone", "PostgreSQL"),
    }


def _cpu(what: str, name: str) -> float:
    """CPU milliseconds for 1,000 intents."""
    return _measured(f"{what}: 1,000 intents: {name}")


def _wal() -> float:
    """Bytes of WAL a route."""
    return _measured("end to end: WAL of a route")


def _measured(what: str) -> float:
    [line] = [figure for figure in written() if figure.group == "cpu" and figure.what == what]
    return float(line.value.split()[0].replace(",", ""))


def _sum(parts: dict[str, float]) -> str:
    return f"{sum(parts.values()):.0f}"


def _at_most(cpu: float) -> str:
    """Intents a second of one core that does nothing else, in hundreds."""
    return f"{math.floor(10_000 / cpu) * 100:,}"


def _processes(rate: int, cpu: float) -> str:
    return str(math.ceil(rate * cpu / 1e6 / _BUSY))


def _table(head: Row, rows: list[Row]) -> str:
    lines = (f"| {' | '.join(row)} |" for row in (head, *rows))
    return "\n".join([next(lines), "|---" * len(head) + "|", *lines])
