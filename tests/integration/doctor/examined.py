"""What a run of every check found."""

from collections.abc import Callable

from publisher.doctor.verdict import Diagnosis, Verdict

# Runs every check with the test's environment and the variables given besides.
Examined = Callable[..., dict[str, Diagnosis]]
# What the tests' own servers cannot offer: they do not sync, and no intake has run.
EXPECTED = {"postgresql-durability", "intents-group", "events-group"}


def amiss(found: dict[str, Diagnosis]) -> dict[str, Verdict]:
    """Every check that is not ok, but for what is expected."""
    return {name: d.verdict for name, d in found.items() if d.verdict is not Verdict.OK and name not in EXPECTED}
