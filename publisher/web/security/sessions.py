"""The session of somebody who logged in: a signed cookie, which no process has to remember."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import scrypt

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

from publisher.settings.web import WebSettings

COOKIE = "publisher_session"
LASTS = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Session:
    """What the cookie says. role: the number of a Role. name: what the operator calls themselves."""

    role: int
    name: str


class Sessions:
    """Makes and reads cookies. Their key follows from both tokens: whoever changes a token ends every session."""

    def __init__(self, settings: WebSettings) -> None:
        tokens = f"{settings.read_token}\n{settings.operate_token}"
        # Slow, so that whoever has a cookie and one token does not find the other by trying.
        key = scrypt(tokens.encode(), salt=b"publisher-session", n=2**13, r=8, p=1, dklen=32)
        self._signer = URLSafeTimedSerializer(key, salt="publisher-session")

    def begin(self, response: Response, session: Session) -> None:
        """Sets the cookie: for this site alone, over TLS or on loopback alone, and out of reach of scripts."""
        value = self._signer.dumps(asdict(session))
        response.set_cookie(
            COOKIE,
            value if isinstance(value, str) else value.decode(),
            max_age=int(LASTS.total_seconds()),
            secure=True,
            httponly=True,
            samesite="strict",
        )

    def end(self, response: Response) -> None:
        """Has the browser forget the cookie."""
        response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")

    def read(self, request: HTTPConnection) -> Session | None:
        """Returns the session of the request; None: there is none, or it is over, or somebody made it up."""
        try:
            said = self._signer.loads(request.cookies.get(COOKIE, ""), max_age=int(LASTS.total_seconds()))
        except BadData:
            return None
        return Session(int(said["role"]), str(said["name"]))
