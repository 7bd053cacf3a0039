"""Where a request comes from: a change must come from this page, and a page on loopback is asked for as such."""

from starlette.requests import HTTPConnection

from publisher.settings.web import is_loopback


def is_from_this_page(request: HTTPConnection) -> bool:
    """Whether a browser sent the request from a page of this very site.

    Browsers say so by Sec-Fetch-Site (W3C Fetch Metadata), older ones by Origin. A request with neither comes from no
    browser that would send a cookie by itself.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    # That of a sandboxed frame is `null`, which names no host.
    named = request.headers.get("origin", "").partition("://")[2]
    return named != "" and named == request.headers.get("host")


def names_loopback(request: HTTPConnection) -> bool:
    """Whether the Host header names this machine itself.

    A hostile site may have its own name resolve to 127.0.0.1: the browser then takes the page for a part of that site.
    """
    host = request.headers.get("host", "").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return is_loopback(name[1:-1] if name.startswith("[") else name)
