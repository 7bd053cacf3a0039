"""Lets a request through to the page, or answers it: with the login, or with what is wrong."""

from collections.abc import Callable, Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from publisher.settings.web import WebSettings
from publisher.web.door.problems import Problem, problem_response
from publisher.web.security.access import Access, Role, Visitor, bearer_token
from publisher.web.security.attempts import Attempts, too_many
from publisher.web.security.origin import is_from_this_page, names_loopback

# Each of these asks for a proof of its own, or for none.
_OPEN = ("/healthz", "/readyz", "/metrics", "/login", "/logout", "/static/", "/openapi.json")
_READING = {"GET", "HEAD"}
# Given the reason and the status.
RefusedPage = Callable[[str, int], Response]


class Guard:
    """ASGI middleware. Behind it `request.state.visitor` is a Visitor who may send this request.

    Whoever reads needs the role READ, and whoever changes something, which is always a POST, the role OPERATE.
    """

    def __init__(
        self, app: ASGIApp, settings: WebSettings, access: Access, attempts: Attempts, refused_page: RefusedPage
    ) -> None:
        """refused_page: makes the page that tells a person why a change was refused."""
        self._app = app
        self._refused_page = refused_page
        self._settings = settings
        self._access = access
        self._attempts = attempts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        asks_for_page = not (_is_of_door(scope["path"]) or scope["path"].startswith(_OPEN))
        has_token = bearer_token(request) is not None and asks_for_page
        if has_token and not await self._attempts.admits():
            await too_many()(scope, receive, send)
            return
        visitor = self._access.visitor(request)
        request.state.visitor = visitor
        refusal = await self._refusal(request, visitor)
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(self, request: Request, visitor: Visitor) -> Response | None:
        """Returns the answer to a request that may not pass; None: it may."""
        # The path that is routed: that of `request.url` is put together with the Host header, which anybody writes.
        path, changes = request.scope["path"], request.method not in _READING
        if "transfer-encoding" in request.headers and "content-length" in request.headers:
            # A proxy may have ended the body by the other one: what follows would be somebody's next request.
            return _two_ends(is_of_door=_is_of_door(path))
        if self._settings.is_open and not _is_of_door(path) and not names_loopback(request):
            return _refused(f"this page is served as http://{self._settings.host} alone", 421)
        if _is_of_door(path):
            return None
        if changes and visitor.by_cookie and not is_from_this_page(request):
            return self._refused_change(request, "this change was asked for by another site: nothing was changed", 403)
        if path.startswith(_OPEN):
            return None
        if visitor.role >= (Role.OPERATE if changes else Role.READ):
            return None
        return await self._to_login(request, visitor, changes=changes)

    async def _to_login(self, request: Request, visitor: Visitor, *, changes: bool) -> Response:
        if not visitor.by_cookie and visitor.role is Role.NOBODY:
            await self._attempts.failed()
            return PlainTextResponse("this token is not known\n", 401, {"www-authenticate": "Bearer"})
        if visitor.role is Role.READ:
            reason = "your token lets you read; to change something, log in with the operate token"
            return self._refused_change(request, reason, 403)
        if changes:
            return self._refused_change(request, "you are not logged in any more: log in, and do it again", 401)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(target, safe='')}", 303)

    def _refused_change(self, request: Request, reason: str, status: int) -> Response:
        is_browser = "text/html" in request.headers.get("accept", "")
        return self._refused_page(reason, status) if is_browser else _refused(reason, status)


def _is_of_door(path: str) -> bool:
    return f"{path}/".startswith("/v1/")


def _two_ends(*, is_of_door: bool) -> Response:
    reason, headers = "the request has both Content-Length and Transfer-Encoding", {"connection": "close"}
    if is_of_door:
        return problem_response(Problem(400, reason, "two_body_ends", headers=headers))
    return _refused(reason, 400, headers)


def _refused(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{text}\n", status, headers)
