"""What goes wrong becomes a page with a way out; a toast where htmx asked for a part of one."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bucketlog.console import parts, render, security
from bucketlog.console.s3 import Failure
from bucketlog.problems import Problem
from bucketlog.s3.model import Credential

log = logging.getLogger("bucketlog.console")

# The key the session signs with is gone or changed: nothing will work until they log in again.
_LOGGED_OUT = frozenset(("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"))


class NotAllowed(Exception):
    """What is asked for is the operator's, and somebody else asks."""


def operator(request: Request) -> None:
    """Raises `NotAllowed` unless the root of the root account asks, `Failure` when the key it
    logged in with is gone.
    """
    if not parts.session(request).identity.is_operator:
        raise NotAllowed
    if credential(request).user_arn is not None:
        raise NotAllowed


def credential(request: Request) -> Credential:
    """Whom the session's key speaks for now. Raises `Failure`, which logs out, when it is gone.

    For what isn't S3: there no signature is checked that would tell.
    """
    identity = parts.session(request).identity
    found = parts.of(request).accounts.find_key(identity.access_key)
    if found is None or not security.is_right(identity.secret_key, found.secret_key):
        raise Failure("InvalidAccessKeyId", "", status=403, request_id="", operation="")
    return found


async def _s3(request: Request, error: Exception) -> Response:
    assert isinstance(error, Failure)
    session = parts.session(request)
    if error.code in _LOGGED_OUT:
        parts.of(request).sessions.end(session)
        if render.is_fragment(request):
            return Response(status_code=401, headers={"HX-Redirect": "/login?ended=1"})
        return RedirectResponse("/login?ended=1", 303)
    status = error.status if error.status >= 400 else 502
    facts = [
        ("Operation", error.operation),
        ("Error code", error.code),
        ("Request ID", error.request_id),
    ]
    return _answer(request, status, error.title, error.message, error.way_out, facts)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(request, 409, "That didn't work", error.message, error.hint or "")


async def _not_allowed(request: Request, error: Exception) -> Response:
    return _answer(
        request,
        403,
        "This is for the operator",
        "Only the root user of the server's root account may see or do this.",
        "Log in as that, or ask whoever runs the server.",
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {
        404: ("There is nothing here", "The address leads nowhere.", "Begin with the buckets."),
        405: ("That can't be done here", "The page doesn't take such a request.", "Go back."),
    }
    title, message, way_out = words.get(
        error.status_code, ("That didn't work", str(error.detail), "Go back and try again.")
    )
    return _answer(request, error.status_code, title, message, way_out)


async def _unexpected(request: Request, error: Exception) -> Response:
    number = secrets.token_hex(4)
    log.exception("the console failed", exc_info=error, extra={"incident": number})
    return _answer(
        request,
        500,
        "The console failed",
        "That is a bug. The server's own log has the details.",
        "Go back and try again.",
        [("Incident", number)],
    )


def _answer(
    request: Request,
    status: int,
    title: str,
    message: str,
    way_out: str,
    facts: list[tuple[str, str]] | None = None,
) -> Response:
    shown = [(name, value) for name, value in facts or [] if value]
    if render.is_fragment(request):
        told = " · ".join(f"{name} {value}" for name, value in shown)
        text = f"{title}. {message}" if message else title
        return render.toast(request, "bad", text, f"{way_out} {told}".strip(), status=status)
    return render.page(
        request,
        "failure.html",
        status=status,
        title=title,
        message=message,
        way_out=way_out,
        facts=shown,
    )


HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    Failure: _s3,
    Problem: _problem,
    NotAllowed: _not_allowed,
    HTTPException: _http,
}


class Catch:
    """The last resort, inside `security.Guard` so that its headers are on this answer too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, whatever goes wrong."""
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http" or has_begun:
                raise
            answer = await _unexpected(Request(scope, receive), error)
            await answer(scope, receive, send)
