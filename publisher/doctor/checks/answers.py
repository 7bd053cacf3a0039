"""Whether what was published is answered in time, on the channels that expect answers (R32)."""

from collections.abc import Iterator, Mapping

from publisher.doctor.verdict import Diagnosis, together, warning
from publisher.operations.wording import names, span
from storage.answers.unanswered import Unanswered


def unanswered(found: Mapping[str, Unanswered], variables: Mapping[str, str]) -> Diagnosis:
    """Published routes without an answer, though one was expected by now.

    found: of the channels that expect answers. variables: by channel, the variable that says within which time.
    """
    complaints = [
        warning(
            f"{channel}: {_counted(each)} without an answer, the first published {span(each.oldest)} ago;"
            f" the last answer of any came {span(each.last_answer)} ago",
            f"see who reads the commands (publisher channels list), whether that one still answers, and whether"
            f" 'publisher intake' takes its answers in; then: publisher routes list --unanswered --channel {channel};"
            f" if it answers no more, for good: {variables[channel]}=0",
        )
        for channel, each in found.items()
        if each.count and each.oldest is not None and each.last_answer is not None
    ]
    return together(complaints, "; ".join(_well(found)) or "no channel expects answers")


def _well(found: Mapping[str, Unanswered]) -> Iterator[str]:
    answering = [channel for channel, each in found.items() if each.last_answer is not None]
    if answering:
        yield f"every answer came in time: {names(answering)}"
    silent = [channel for channel in found if channel not in answering]
    if silent:
        yield f"nothing was ever answered, so nothing is missing: {names(silent)}"


def _counted(each: Unanswered) -> str:
    return f"{'at least ' if each.is_bound else ''}{each.count:,} route{'' if each.count == 1 else 's'}"
