"""The page to log in by a token, and the way out."""

from starlette.requests import Request
from starlette.responses import Response

from publisher.web.pages.page import context_of, form_of, rendered, see_other
from publisher.web.security.access import Role
from publisher.web.security.attempts import too_many
from publisher.web.security.sessions import Session

_LONGEST_NAME = 100
# Bytes. Whoever sends this form is not known yet.
_LARGEST_FIELD = 64 * 1024


async def login(request: Request) -> Response:
    """Asks for the token."""
    return _form(request, _inside(request.query_params.get("next", "/")))


async def log_in(request: Request) -> Response:
    """Begins a session for a token that is known. A wrong one is answered late, many at once are not compared."""
    context = context_of(request)
    form = await form_of(request, _LARGEST_FIELD)
    # Not before the form is read: many could be sent in slowly, and all end at once.
    if not await context.attempts.admits():
        return too_many()
    name, target = form.get("name", ""), _inside(form.get("next", "/"))
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        return _form(request, target, name, "Give your name, of 100 printable characters at most.", 400)
    role = context.access.role_of_token(form.get("token", ""))
    if role is Role.NOBODY:
        await context.attempts.failed()
        return _form(request, target, name, "This token is not known.", 401)
    answer = see_other(target)
    context.sessions.begin(answer, Session(int(role), name))
    return answer


async def log_out(request: Request) -> Response:
    """Ends the session."""
    answer = see_other("/login")
    context_of(request).sessions.end(answer)
    return answer


def _form(request: Request, target: str, name: str = "", error: str = "", status: int = 200) -> Response:
    values = {"next": target, "name": name, "error": error}
    return rendered(request, "login.html", "", values, status)


def _inside(target: str) -> str:
    """Returns the target if it is a path of this site, and the first page for any other."""
    # A browser reads // and /\ as the beginning of another host.
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_path else "/"
