"""Words what became of what a request brought: alone by the status of the answer, in an array by one result each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from publisher.domain.rejection import Rejection, RejectionCode
from publisher.intake.over_http import Outcome, Result
from publisher.web.door.problems import Problem, problem_fields
from publisher.web.door.serving import Answer

_STATUS = {
    Result.ACCEPTED: 201,
    Result.CANCELLED: 201,
    Result.RECORDED: 201,
    Result.DUPLICATE: 200,
    Result.CANCELLED_BEFORE: 200,
    Result.RECORDED_BEFORE: 200,
    Result.CONFLICT: 409,
    Result.REFUSED: 422,
}


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one. named: the ids by which its sender finds it again. status: None: that of its outcome."""

    outcome: Outcome
    named: Mapping[str, object] = field(default_factory=dict)
    status: int | None = None

    @property
    def code(self) -> int:
        """The status of the answer, or of the result."""
        return _STATUS[self.outcome.result] if self.status is None else self.status


NO_OBJECT = Told(Outcome(Result.REFUSED, Rejection(RejectionCode.INVALID_JSON, "must be a JSON object")))


def foreign(detail: str, at: str) -> Told:
    """Returns what is told of one that is not the sender's. at: the field that says so."""
    return Told(Outcome(Result.REFUSED, Rejection(RejectionCode.INVALID_FIELD, detail, at)), status=403)


def answer(told: Sequence[Told], *, is_array: bool) -> Answer:
    """Returns the answer to a request that brought these."""
    if is_array:
        return Answer(200, {"results": [_result(each) for each in told]})
    [only] = told
    if only.outcome.rejection is None:
        return Answer(only.code, {"result": only.outcome.result, **only.named})
    return Answer(only.code, _problem(only))


def _result(told: Told) -> dict[str, object]:
    if told.outcome.rejection is None:
        return {"status": told.code, "result": told.outcome.result, **told.named}
    return {"result": told.outcome.result, **_problem(told)}


def _problem(told: Told) -> dict[str, object]:
    rejection = told.outcome.rejection
    if rejection is None:
        raise ValueError("nothing is wrong with it")
    problem = Problem(told.code, rejection.message, rejection.code.value, rejection.field)
    return problem_fields(problem) | dict(told.named)
