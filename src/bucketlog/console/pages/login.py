"""Logging in: by the printed link, an access key pair, or a configured password; and out.

The link's token stands in the address's fragment, which never leaves the browser by itself: a
script posts it and drops it from the history. It and the password stand for the root account,
whose key is then looked up here.
"""

from __future__ import annotations

import math
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bucketlog.console import parts, render, security, wording
from bucketlog.console.parts import Parts
from bucketlog.console.s3 import Failure
from bucketlog.console.sessions import Identity
from bucketlog.problems import Problem
from bucketlog.s3.model import Credential

_THEME_LASTS_S = 365 * 86_400


class _Refused(Exception):
    """Why somebody isn't let in."""


async def _form(request: Request) -> Response:
    # No redirect for who is logged in already: the fragment, and the token in it, would go along.
    said = None
    if "ended" in request.query_params:
        said = "The access key that you were logged in with doesn't work any more."
    return _show(request, said)


def _show(
    request: Request,
    wrong: str | None,
    *,
    status: int = 200,
    key: str = "",
    wanted: str | None = None,
) -> Response:
    config = parts.of(request).config
    return render.page(
        request,
        "login.html",
        status=status,
        wrong=wrong,
        key=key,
        by_password=config.password is not None,
        by_link=config.token is not None,
        is_exposed=config.token is None and request.url.scheme != "https",
        next=_next(wanted or request.query_params.get("next")),
    )


async def _log_in(request: Request) -> Response:
    console = parts.of(request)
    address = request.client.host if request.client else ""
    form = await request.form(max_files=0, max_fields=10)
    given = {name: str(value).strip() for name, value in form.items()}
    wait_s = console.patience.wait_s(address)
    if wait_s:
        wrong = f"Too many attempts. Wait {math.ceil(wait_s)} seconds, then try again."
        answer = _show(request, wrong, status=429, wanted=given.get("next"))
        answer.headers["Retry-After"] = str(math.ceil(wait_s))
        return answer
    try:
        identity = await _identify(console, given)
    except _Refused as refused:
        console.patience.failed(address)
        key = given.get("access_key", "")
        return _show(request, str(refused), status=403, key=key, wanted=given.get("next"))
    if request.state.session is not None:
        console.sessions.end(request.state.session)
    session = console.sessions.begin(identity)
    response = RedirectResponse(_next(given.get("next")), 303)
    response.set_cookie(
        security.cookie_name(console.config),
        session.id,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


async def _identify(console: Parts, given: dict[str, str]) -> Identity:
    if "token" in given:
        if not security.is_right(given["token"], console.config.token):
            raise _Refused("That link is from an earlier start of the server. See its output.")
        return await console.run(_root, console)
    if given.get("password"):
        if not security.is_right(given["password"], console.config.password):
            raise _Refused("That password is wrong.")
        return await console.run(_root, console)
    access_key, secret_key = given.get("access_key", ""), given.get("secret_key", "")
    if not access_key or not secret_key:
        raise _Refused("Both the access key ID and the secret access key are needed.")
    identity = await console.run(_known, console, access_key, secret_key)
    try:
        await console.run(console.store.probe, identity)
    except Failure as failure:
        raise _Refused(". ".join(wording.of(failure.code, failure.status))) from None
    return identity


def _known(console: Parts, access_key: str, secret_key: str) -> Identity:
    """Who the key speaks for. That the secret is its own is for S3 to say."""
    credential = console.accounts.find_key(access_key)
    if credential is None:
        return Identity(access_key, secret_key)
    roots = [account.owner for account in console.accounts.accounts() if account.is_root]
    return _identity(credential, secret_key, is_operator=credential.account in roots)


def _root(console: Parts) -> Identity:
    for account in console.accounts.accounts():
        if account.is_root:
            for key in console.accounts.keys(account.owner.account_id):
                credential = console.accounts.find_key(key.access_key)
                if key.user_name is None and credential is not None:
                    return _identity(credential, credential.secret_key, is_operator=True)
    raise Problem("The root account has no access key of its own.", "Make one: bucketlog key add.")


def _identity(credential: Credential, secret_key: str, *, is_operator: bool) -> Identity:
    arn = credential.user_arn
    return Identity(
        access_key=credential.access_key,
        secret_key=secret_key,
        account_id=credential.account.account_id,
        account_name=credential.account.name,
        canonical_id=credential.account.canonical_id,
        user_name=None if arn is None else arn.rpartition("/")[2],
        is_operator=is_operator and arn is None,
    )


async def _log_out(request: Request) -> Response:
    console = parts.of(request)
    console.sessions.end(parts.session(request))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(security.cookie_name(console.config))
    return response


async def _theme(request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=10)
    wanted = str(form.get("theme", ""))
    response = RedirectResponse(_next(str(form.get("next", ""))), 303)
    if wanted in render.THEMES:
        response.set_cookie("theme", wanted, max_age=_THEME_LASTS_S, samesite="strict")
    else:
        response.delete_cookie("theme")
    return response


def _next(wanted: str | None) -> str:
    """Where to go then: a path of this console, nowhere else."""
    wanted = wanted or "/buckets"
    parsed = urlsplit(wanted)
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parsed.netloc
    is_page = is_own and parsed.path not in ("/login", "/logout", "/theme")
    return wanted if is_page and wanted.isprintable() else "/buckets"


async def _home(request: Request) -> Response:
    return RedirectResponse("/buckets", 303)


async def _icon(request: Request) -> Response:
    return RedirectResponse(parts.of(request).assets.url("favicon.svg"), 302)


routes = [
    Route("/", _home),
    Route("/favicon.ico", _icon),
    Route("/login", _form, methods=["GET"]),
    Route("/login", _log_in, methods=["POST"]),
    Route("/logout", _log_out, methods=["POST"]),
    Route("/theme", _theme, methods=["POST"]),
]
