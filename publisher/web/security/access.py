"""Who asks, and what they may do: read, or operate (R34, R36)."""

import hmac
from dataclasses import dataclass
from enum import IntEnum

from starlette.requests import HTTPConnection

from publisher.settings.web import WebSettings
from publisher.web.security.sessions import Sessions


class Role(IntEnum):
    """What somebody may do; each may do what those before it may.

    NOBODY: see whether the process lives. READ: see everything but addresses. OPERATE: change things, and ask for
    addresses.
    """

    NOBODY = 0
    READ = 1
    OPERATE = 2


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever sent a request.

    name: as the audit keeps it.
    by_cookie: whether a browser sent the proof by itself. Only then can another site have caused the request.
    """

    role: Role
    name: str = ""
    by_cookie: bool = True

    @property
    def may_operate(self) -> bool:
        """Whether they may change things."""
        return self.role >= Role.OPERATE


class Access:
    """Tells who sent a request, by a session's cookie or a bearer token.

    host_user: the name of this process's user, for changes that come without a name.
    """

    def __init__(self, settings: WebSettings, sessions: Sessions, host_user: str) -> None:
        self._settings = settings
        pairs = (Role.OPERATE, settings.operate_token), (Role.READ, settings.read_token)
        self._tokens = {role: token for role, token in pairs if token is not None}
        self._sessions = sessions
        self._host_user = host_user

    def role_of_token(self, token: str) -> Role:
        """Returns what a token allows. It takes equally long for every token of one length."""
        equal = [role for role, known in self._tokens.items() if is_equal(token, known)]
        return max(equal, default=Role.NOBODY)

    def visitor(self, request: HTTPConnection) -> Visitor:
        """Returns who sent the request. Without tokens, which only loopback may be, everybody may do everything."""
        if self._settings.is_open:
            return Visitor(Role.OPERATE, self._host_user)
        if (token := bearer_token(request)) is not None:
            return Visitor(self.role_of_token(token), "bearer token", by_cookie=False)
        session = self._sessions.read(request)
        # Of two tokens with one left out, whoever has the other knows the key of the cookies.
        if session is None or session.role not in self._tokens:
            return Visitor(Role.NOBODY)
        return Visitor(Role(session.role), session.name)


def bearer_token(request: HTTPConnection) -> str | None:
    """Returns the token of the Authorization header; None: there is none of that scheme."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def is_equal(given: str, known: str) -> bool:
    """Compares two tokens, in a time that says nothing of where they differ."""
    # Bytes: text that is not ASCII would be refused.
    return hmac.compare_digest(given.encode(errors="surrogatepass"), known.encode())
