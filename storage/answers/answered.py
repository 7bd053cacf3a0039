"""Selects routes by what was answered about their commands (R32)."""

from dataclasses import dataclass

from publisher.domain.answer import AnswerIs
from publisher.domain.delivery_event import Fault
from publisher.domain.errors import BadRequest

# Answers other than success, in the order of the predicate of the index routes_answered_ill.
ILL = (AnswerIs.DEFERRED, AnswerIs.BOUNCED, AnswerIs.REJECTED, AnswerIs.FAILED, AnswerIs.SUPPRESSED)
# Orders the events `e` of a route's answer's kind: the last of them is the answer. An event of the future counts as of
# its recording. The answer's instant does not tell which it is: an event of our own mail service occurs some
# milliseconds before the answer that it becomes.
THE_ANSWER_FIRST = "least(e.occurred_at, e.recorded_at) DESC, e.id DESC"
_IS_ILL = f"answer IN ({', '.join(repr(answer.value) for answer in ILL)})"


@dataclass(frozen=True, slots=True)
class AnswerFilter:
    """Selects the routes that match every field that is given.

    answer: None: whatever it is, and if there is none.
    fault: what the event says was at fault that is the answer. None: whatever it says. Without `answer` it selects
        among all answers other than success. No event of success has a fault.
    """

    answer: AnswerIs | None = None
    fault: Fault | None = None

    def __post_init__(self) -> None:
        """Raises BadRequest for a fault of an answer that has none."""
        faultless = (AnswerIs.NONE, AnswerIs.ACCEPTED, AnswerIs.DELIVERED)
        if self.fault is not None and self.answer in faultless:
            raise BadRequest(f"nothing is at fault where the answer is {self.answer}: leave --fault out")

    @property
    def is_ill(self) -> bool:
        """Whether it selects complaints or answers other than success: few routes, found without reading others."""
        return self.fault is not None or self.answer is AnswerIs.COMPLAINED or self.answer in ILL

    def conditions(self, route: str) -> list[str]:
        """Returns the conditions in SQL, none of them if everything matches. Partial indexes serve them.

        They hold no parameter and no text of a stranger. route: the name of the table of routes in the statement.
        """
        found = []
        if self.answer is AnswerIs.NONE:
            found.append(f"{route}.status = 'published' AND {route}.answer IS NULL")
        elif self.answer is AnswerIs.COMPLAINED:
            found.append(f"{route}.complained")
        elif self.answer is not None:
            found.append(f"{route}.answer = '{self.answer.value}'")
        elif self.fault is not None:
            found.append(f"{route}.{_IS_ILL}")
        if self.fault is not None:
            found.append(self._fault_is(route, self.fault))
        return found

    def _fault_is(self, route: str, fault: Fault) -> str:
        # A scalar subquery is a look-up for each route by index delivery_events_of_route. EXISTS might become a join
        # that reads every event.
        of_route = f"FROM delivery_events AS e WHERE e.route_key = {route}.id"
        if self.answer is AnswerIs.COMPLAINED:
            return f"(SELECT true {of_route} AND e.event = 'complained' AND e.fault = '{fault.value}' LIMIT 1)"
        is_answer = f"e.event = {route}.answer ORDER BY {THE_ANSWER_FIRST} LIMIT 1"
        return f"(SELECT e.fault = '{fault.value}' {of_route} AND {is_answer})"
