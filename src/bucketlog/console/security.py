"""What every request must pass before a page sees it, and the headers every answer carries.

In this order: the name it was asked for by (against DNS rebinding), who asks (everything but the
login needs a session), and for methods that change something that the request comes from one of
our own pages: Origin, Sec-Fetch-Site, and the session's CSRF token in the header X-CSRF-Token or
the form field csrf_token. Plain ASGI, so no body passes through here but a form's.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bucketlog.console.config import Config
from bucketlog.console.sessions import Session, Sessions

MONITORING = frozenset(("/healthz", "/metrics"))
"""For whoever reaches the port, by any name; as where there is no console."""

PUBLIC = frozenset(("/login", "/favicon.ico", "/theme"))
UNATTENDED = frozenset(("/health/now",))
"""What pages ask for again by themselves: it keeps nobody logged in."""

FORM_AT_MOST = 1 << 20
"""Bytes of a form. Uploads aren't forms: they carry the token in the header."""

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
}
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_FORM = "application/x-www-form-urlencoded"


def cookie_name(config: Config) -> str:
    """Of the session. Cookies are shared by all ports of a host, so it names the port."""
    return f"bucketlog-{config.port}"


def is_own_name(config: Config, host: str) -> bool:
    """Whether a Host header is one this console goes by.

    A page elsewhere can make a name of its own lead here, but no address: addresses are safe.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name in config.names:
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == config.host
    bound = ipaddress.ip_address(config.host)
    return address.is_loopback or address == bound or bound.is_unspecified


def is_right(given: str | None, expected: str | None) -> bool:
    """Compares secrets in constant time."""
    if not given or not expected:
        return False
    return hmac.compare_digest(given.encode(), expected.encode())


class Guard:
    """The outermost part of the application."""

    def __init__(self, app: ASGIApp, config: Config, sessions: Sessions) -> None:
        self._app = app
        self._config = config
        self._sessions = sessions
        self._cookie = cookie_name(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        request = Request(scope, receive)
        path = scope["path"]
        if path in MONITORING or path.startswith("/static/"):
            await self._app(scope, receive, send_safely)
            return
        refusal = self._misdirected(request.headers)
        session = self._sessions.find(
            request.cookies.get(self._cookie), is_used=path not in UNATTENDED
        )
        scope.setdefault("state", {})["session"] = session
        if refusal is None and session is None and path not in PUBLIC:
            refusal = _to_login(request)
        if refusal is None and request.method not in _SAFE:
            refusal, receive = await self._forged(request, session, receive)
        await (refusal or self._app)(scope, receive, send_safely)

    def _misdirected(self, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if is_own_name(self._config, host):
            return None
        return PlainTextResponse(
            f"This console isn't called {host}. Its address is {self._config.host}; other names "
            "must stand in the setting console.names.\n",
            421,
        )

    async def _forged(
        self, request: Request, session: Session | None, receive: Receive
    ) -> tuple[Response | None, Receive]:
        """A refusal of what doesn't come from one of our pages; and the body, to be read again."""
        headers = request.headers
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        if site not in (None, "same-origin") or (site is None and origin is None):
            return _foreign(), receive
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            return _foreign(), receive
        # Who logs in has no token yet, or one of an earlier login.
        if session is None or request.scope["path"] == "/login":
            return None, receive
        given = headers.get("x-csrf-token")
        if given is None and headers.get("content-type", "").partition(";")[0] == _FORM:
            body = await _body(receive)
            if body is None:
                return PlainTextResponse("That form is too long.\n", 413), receive
            fields = parse_qs(body.decode("utf-8", "replace"))
            given = fields.get("csrf_token", [""])[0]
            receive = _again(body, receive)
        return (None if is_right(given, session.csrf) else _foreign()), receive


async def _body(receive: Receive) -> bytes | None:
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(chunks)
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > FORM_AT_MOST:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _again(body: bytes, receive: Receive) -> Receive:
    left = [body]

    async def replay() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return replay


def _to_login(request: Request) -> Response:
    """To the login, and back here afterwards."""
    wanted = request.url.path
    if request.url.query:
        wanted += f"?{request.url.query}"
    if request.headers.get("hx-request"):
        shown = urlsplit(request.headers.get("hx-current-url", ""))
        wanted = shown.path + (f"?{shown.query}" if shown.query else "")
        return Response(status_code=401, headers={"HX-Redirect": f"/login?next={quote(wanted)}"})
    if request.method not in _SAFE:
        message = {"error": "You are logged out.", "login": "/login"}
        return Response(json.dumps(message), 401, media_type="application/json")
    where = "/login" if wanted == "/" else f"/login?next={quote(wanted)}"
    return RedirectResponse(where, 303)


def _foreign() -> Response:
    return PlainTextResponse(
        "This request doesn't come from a page of this console, or the page is from an earlier "
        "login. Go back, load the page again, and repeat.\n",
        403,
    )
