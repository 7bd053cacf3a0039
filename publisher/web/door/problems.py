"""Words what is wrong with a request, as a problem in JSON (RFC 9457)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_MEDIA_TYPE = "application/problem+json"


@dataclass(slots=True)
class Problem(Exception):
    """What is wrong with a request: it is raised where that is seen, and answered at the edge.

    status: of the answer.
    detail: one line that tells the sender what to do, without a value of the request (R36).
    code: a word for programs, such as `invalid_json`.
    at: the field at fault; None: no single one is.
    """

    status: int
    detail: str
    code: str
    at: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_fields(problem: Problem) -> dict[str, object]:
    """Returns the members of the problem, by the names of RFC 9457, and `code` and `field` besides."""
    title = HTTPStatus(problem.status).phrase
    named = {} if problem.at is None else {"field": problem.at}
    return {"title": title, "status": problem.status, "detail": problem.detail, "code": problem.code, **named}


def problem_response(problem: Problem) -> Response:
    """Returns the answer."""
    body = orjson.dumps(problem_fields(problem))
    return Response(body, problem.status, problem.headers, _MEDIA_TYPE)


def no_such_path(_: Request, error: Exception) -> Response:
    """Answers a path or a method that there is not. A handler of Starlette."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail, code = "this path does not take this method: see /openapi.json", "method_not_allowed"
    else:
        detail, code = "there is no such path: see /openapi.json", "not_found"
    return problem_response(Problem(error.status_code, detail, code, headers=error.headers or {}))


def our_fault(_: Request, __: Exception) -> Response:
    """Answers a request that a bug of ours has ended. A handler of Starlette, which logs the error."""
    return problem_response(Problem(500, "the service failed: its log says how; send it again", "internal_error"))
