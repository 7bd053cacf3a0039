"""Every measurement by its group: generators of lines, each line as soon as it is known."""

import statistics
from collections.abc import Callable, Iterator, Sequence

from publisher.local.embedded import Servers
from tests.benchmarks import (
    audit,
    control,
    cost,
    drain,
    grown,
    intake,
    latency,
    rates,
    resources,
    rest,
    retries,
    scaling,
    sizes,
    startup,
)
from tests.benchmarks.results import Figure
from tests.benchmarks.size import Size


class Measurements:
    """Every measurement, each a generator of the lines it adds."""

    def __init__(self, servers: Servers, size: Size) -> None:
        self._servers = servers
        self._size = size

    def _median(self, measure: Callable[[], float]) -> float:
        return statistics.median(measure() for _ in range(self._size.runs))

    def startup(self) -> Iterator[Figure]:
        """Milliseconds until a command's help is there."""
        seen = startup.startup(self._size.startups)
        yield Figure("startup", "python -c pass", f"{seen.bare_seconds * 1000:.0f} ms")
        yield Figure(
            "startup",
            "publisher --help",
            f"{seen.help_seconds * 1000:.0f} ms",
            f"{seen.own_seconds * 1000:.0f} ms beyond python, {seen.modules} modules",
            "400 ms beyond",
        )

    def drain(self) -> Iterator[Figure]:
        """Routes a second, beside the obvious loop and the floor, and flat as the tables grow."""
        s, size = self._servers, self._size
        loop = drain.route_by_route(s, size.loop)
        yield Figure("rulers", "the route-by-route loop, one process", _rate(loop))
        floor = self._median(lambda: drain.floor(s, size.routes, 2))
        yield Figure("rulers", "the floor, two processes", _rate(floor), f"{floor / loop:.1f} × the loop")
        small = self._median(lambda: drain.routes_per_second(drain.drain(s, size.small)))
        yield Figure("drain", f"{size.small:,} due", _rate(small), f"{small / loop:.1f} × the loop")
        alone = self._median(lambda: drain.routes_per_second(drain.drain(s, size.routes)))
        yield Figure(
            "drain",
            f"{size.routes:,} due",
            _rate(alone),
            f"{alone / loop:.1f} × the loop, {alone / floor:.2f} × the floor",
            "25 × the loop, 0.6 × the floor, 10,000/s",
        )
        beside = self._median(lambda: drain.routes_per_second(drain.drain(s, size.routes, published=size.published)))
        yield Figure(
            "flat",
            f"{size.routes:,} due beside {size.published:,} published",
            _rate(beside),
            f"{beside / alone:.2f} × alone",
            "0.85 ×",
        )
        for old, target in ((False, "0.7 ×"), (True, "0.6 ×")):
            seen = drain.drain(s, size.large, old_snapshot=old)
            first, last = drain.tenths(seen)
            yield Figure(
                "flat",
                f"{size.large:,} due{', an old snapshot held open' if old else ''}",
                _rate(drain.routes_per_second(seen)),
                f"the last tenth {last / first:.2f} × the first",
                target,
            )

    def intake(self) -> Iterator[Figure]:
        """Intents a second."""
        s, size = self._servers, self._size
        accepted = self._median(lambda: intake.accepted_per_second(s, size.intents))
        yield Figure("intake", "accepted by one process, two routes each", _rate(accepted, "intents"), "", "6,000/s")
        whole = self._median(lambda: intake.end_to_end_per_second(s, size.intents))
        yield Figure("intake", "from the inbound stream to both outbound ones", _rate(whole, "intents"), "", "3,000/s")

    def door(self) -> Iterator[Figure]:
        """Intents a second over HTTP, beside the stream, and what they cost."""
        # An earlier commit that is compared with has no door to import.
        from tests.benchmarks import door

        yield from door.figures(self._servers, self._size.intents, self._size.runs)

    def page(self) -> Iterator[Figure]:
        """Milliseconds of each page beside millions of routes, and while a server hangs."""
        # An earlier commit that is compared with has no page to import.
        from tests.benchmarks import page

        yield from page.figures(self._servers, self._size.shown, self._size.runs)

    def latency(self) -> Iterator[Figure]:
        """Milliseconds from an intent to its commands."""
        s, size = self._servers, self._size
        for rate, target in ((50, "15 / 30 / 60 ms"), (500, "– / 60 / – ms"), (1_500, "")):
            found, _ = latency.latency(s, rate, size.latency_seconds)
            yield Figure(
                "latency", f"{rate:,} intents/s: p50 / p95 / p99", found.text, f"max {found.maximum:.0f} ms", target
            )
        found, first = latency.latency(s, 50, size.latency_seconds, idle=size.idle_before_first)
        minutes = size.idle_before_first / 60
        yield Figure(
            "latency", f"the first after {minutes:g} idle minutes", f"{first:.0f} ms", f"p99 {found.p99:.0f} ms", "p99"
        )

    def retries(self) -> Iterator[Figure]:
        """Routes a second where one in ten fails once."""
        s, size = self._servers, self._size
        plain = self._median(lambda: drain.routes_per_second(drain.drain(s, size.routes)))
        rate = self._median(lambda: retries.retries_per_second(s, size.routes))
        yield Figure("retries", "one route in ten fails once", _rate(rate), f"{rate / plain:.2f} × without", "0.7 ×")

    def audit(self) -> Iterator[Figure]:
        """The loss audit at 5,000 routes a second: due each half window, it looks at a window and a half."""
        count, window = self._size.audited, 600.0
        seen = audit.walk(self._servers, count, span=1.5 * window)
        share = seen.seconds / (window / 2)
        yield Figure(
            "audit",
            f"one walk over {count:,} published, nothing lost",
            f"{seen.seconds:.1f} s",
            f"{share:.0%} of the time until the next is due",
            "50%",
        )
        yield Figure(
            "audit",
            f"CPU of that walk, a second of the {window / 2:g} s between two",
            f"{seen.cpu_seconds / (window / 2):.1%} of a core",
            f"{seen.servers_cpu_seconds / (window / 2):.1%} in PostgreSQL and Redis",
            "10%",
        )

    def resources(self) -> Iterator[Figure]:
        """Processor time and memory."""
        s, size = self._servers, self._size
        busy = resources.cpu_per_thousand(s, size.routes)
        yield Figure("resources", "CPU seconds for 1,000 routes, workers and clock", f"{busy.cpu_seconds:.3f} s")
        idle = resources.idle(s, size.idle_seconds)
        yield Figure("resources", "idle, all processes together", f"{idle.cpu_seconds:.2%} of a core", "", "5%")
        early, late = resources.steady_memory(s, 500, size.steady_seconds)
        for name, megabytes in late.memory_mb.items():
            yield Figure(
                "resources",
                f"memory of the largest {name} process after {size.steady_seconds / 60:g} min at 500/s",
                f"{megabytes:.0f} MB",
                f"{early.memory_mb[name]:.0f} MB after a tenth of that",
                "100 MB, flat",
            )

    def sizes(self) -> Iterator[Figure]:
        """Bytes and CPU seconds of a million notifications, and how linear they are."""
        count = self._size.sized
        part, whole = sizes.sizes(self._servers, count // 10), sizes.sizes(self._servers, count)
        yield from sizes.figures(part, whole)

    def rates(self) -> Iterator[Figure]:
        """Cores, memory and latency at a steady rate."""
        for rate in self._size.rates:
            yield from rates.figures(rate, rates.steady(self._servers, rate, self._size.rate_seconds))

    def cpu(self) -> Iterator[Figure]:
        """CPU of each process for 1,000 intents, and the WAL of a route."""
        yield from cost.figures(self._servers, self._size.intents, self._size.runs)

    def tracing(self) -> Iterator[Figure]:
        """CPU of each process for 1,000 intents, with tracing and without."""
        # An earlier commit that is compared with has no collector to import.
        from tests.benchmarks import tracing

        yield from tracing.figures(self._servers, self._size.intents, self._size.runs)

    def rest(self) -> Iterator[Figure]:
        """What the servers are asked while there is nothing to do."""
        yield from rest.figures(self._servers, self._size.rest_seconds)

    def scaling(self) -> Iterator[Figure]:
        """Rates, and CPU of each part, with more workers and intakes."""
        yield from scaling.figures(self._servers, self._size)

    def partitions(self) -> Iterator[Figure]:
        """CPU of each part, with more processes over more partitions."""
        # An earlier commit that is compared with has no partitions to import.
        from tests.benchmarks import partitions

        yield from partitions.figures(self._servers, self._size)

    def control(self) -> Iterator[Figure]:
        """Milliseconds of a look at who reads."""
        yield from control.figures(self._servers, self._size)

    def mail(self) -> Iterator[Figure]:
        """Messages a second, from intent to message, and memory of the mail service."""
        # An earlier commit that is compared with has no mail service to import.
        from tests.benchmarks import mail

        yield from mail.figures(self._servers, self._size)

    def grown(self) -> Iterator[Figure]:
        """Intake, drain and the commands of an operator beside millions of published routes."""
        yield from grown.figures(self._servers, self._size)


GROUPS = (
    *("startup", "drain", "intake", "door", "cpu", "retries", "latency", "audit", "resources", "rest"),
    *("tracing", "control", "mail", "sizes", "rates", "scaling", "partitions", "page", "grown"),
)


def measure(servers: Servers, size: Size, groups: Sequence[str] = GROUPS) -> Iterator[Figure]:
    """The lines of these groups, each as soon as it is known."""
    measurements = Measurements(servers, size)
    for group in groups:
        yield from getattr(measurements, group)()


def _rate(value: float, what: str = "routes") -> str:
    return f"{value:,.0f} {what}/s"
