"""What the settings alone say: unknown variables, timeouts within the lease, windows that cover each other."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from publisher.doctor.verdict import Diagnosis, failed, ok, together, warning
from publisher.operations.wording import names, span


def variables(unknown: Sequence[str], meant: Mapping[str, str], renamed: Mapping[str, str]) -> Diagnosis:
    """Variables that begin like ours and that nothing reads: a mistyped one leaves its default in force.

    meant: unknown name -> the name that it is like.
    renamed: old name -> the name now, of variables that are set under their old name.
    """
    complaints = []
    if unknown:
        told = [f"{each} (did you mean {meant[each]}?)" if each in meant else each for each in unknown]
        complaints.append(warning(f"ignored: {names(told)}", "correct the names, or take the variables away"))
    if renamed:
        complaints.append(
            warning(
                f"set under an old name: {names(list(renamed))}",
                f"rename: {names([f'{old} to {new}' for old, new in renamed.items()])}",
            )
        )
    return together(complaints, "every PUBLISHER_ variable is known")


def tracing(asked: Sequence[str], installed: Collection[str]) -> Diagnosis:
    """Spans go where the variables OTEL_* say. asked, installed: names of exporters."""
    if not asked:
        return ok("off: no variable OTEL_* asks for it")
    if missing := [name for name in asked if name not in installed]:
        return warning(
            f"the variables OTEL_* ask for it, and it is off: there is no exporter {names(missing)}",
            "install the extra, pip install 'notification-publisher[otel]', or correct the variables",
        )
    return ok(f"spans go to {names(asked)}")


def page(host: str, missing: Sequence[str], *, is_open: bool) -> Diagnosis:
    """Whether `publisher web` starts, and who is let in. missing: the variables of tokens that it needs there."""
    if missing:
        return warning(
            f"PUBLISHER_WEB_HOST is {host!r}, which others reach: `publisher web` does not start without tokens",
            f"set {names(missing)}, or leave PUBLISHER_WEB_HOST at 127.0.0.1; where no page is to run, leave it",
        )
    if is_open:
        return ok("without tokens: everybody on this machine, and nobody else, may do everything")
    return ok("whoever asks needs a token")


def timeouts(*, connect: timedelta, statement: timedelta, redis: timedelta, lease_ttl: timedelta) -> Diagnosis:
    """A whole attempt, with everything as slow as its timeout allows, ends before its lease does.

    It waits for its claim, appends at most twice, and completes at most twice, each time connecting anew.
    """
    longest = statement + 2 * (redis + redis) + 2 * (connect + statement)
    finding = f"an attempt takes at most {span(longest)}, its lease {span(lease_ttl)}"
    if longest >= lease_ttl:
        return failed(finding, "raise PUBLISHER_ROUTE_LEASE_TTL: others take over what is still being worked on")
    return ok(finding)


def windows(
    *,
    dedup: timedelta,
    audit: timedelta,
    lease_ttl: timedelta,
    scan_interval: timedelta,
    longest_backoff: timedelta,
) -> Diagnosis:
    """Redis remembers a delivery for longer than anyone may still try it (R12), and the loss audit looks (R12a).

    longest_backoff: the longest wait before an attempt, of all channels. A command that was appended and not
    recorded is tried again after it, and must be known then.
    """
    complaints = []
    if dedup <= lease_ttl + scan_interval:
        complaints.append(
            failed(
                f"a delivery is remembered for {span(dedup)}, a lease and a scan are {span(lease_ttl + scan_interval)}",
                "raise PUBLISHER_DEDUP_WINDOW: an attempt after a lost lease would append a second command",
            )
        )
    elif dedup <= longest_backoff + lease_ttl:
        complaints.append(
            warning(
                f"a delivery is remembered for {span(dedup)}, a retry may come after {span(longest_backoff)}",
                "raise PUBLISHER_DEDUP_WINDOW, or lower PUBLISHER_ROUTE_BACKOFF_MAX or the channel's own backoff:"
                " such a retry may append a second command",
            )
        )
    if audit <= timedelta(0):
        complaints.append(
            warning("there is no loss audit", "set PUBLISHER_AUDIT_WINDOW: what Redis loses would stay lost")
        )
    return together(complaints, f"deliveries are remembered for {span(dedup)}, losses looked for in {span(audit)}")
