"""Accounts: who may sign requests; adding and removing accounts' users and keys.

Not S3, so no signature or policy guards it; this page does, by one rule. Only the operator (the
root of the root account) sees everybody and may change anything: a key speaks for a whole
account, so who could make one could be anyone. Others, another account's root too, see their own
identity and their own keys' names, and change nothing: a stolen key that could make another
would outlive its removal. Whom the key speaks for is looked up anew for each request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bucketlog.console import failures, parts, render, security, signers
from bucketlog.console.pages.object_details import endpoint_for
from bucketlog.console.sessions import Toast
from bucketlog.problems import Problem
from bucketlog.s3.model import Credential
from bucketlog.state.accounts import Account, Key

log = logging.getLogger("bucketlog.console")


async def _show(request: Request) -> Response:
    console, who = parts.of(request), failures.credential(request)
    if not parts.session(request).identity.is_operator:
        keys = await console.run(signers.own_keys, console.accounts, who)
        return render.page(
            request, "accounts/own.html", who=who, user=signers.user_of(who), keys=keys
        )
    failures.operator(request)
    query = request.query_params.get("q", "").strip()
    everybody = await console.run(signers.groups, console.accounts)
    found = await console.run(signers.groups, console.accounts, query) if query else everybody
    context: dict[str, Any] = {
        "groups": found,
        "query": query,
        "users": sum(len(group.signers) - 1 for group in everybody),
        "keys": sum(len(each.keys) for group in everybody for each in group.signers),
        "accounts": len(everybody),
        "own_key": who.access_key,
    }
    if render.is_fragment(request):
        return render.fragment(request, "accounts/found.html", **context)
    return render.page(request, "accounts/page.html", **context)


# ── adding ──────────────────────────────────────────────────────────────────────────────────────


async def _add_account(request: Request) -> Response:
    name = (await _fields(request)).get("name", "")
    return await _make(
        request,
        lambda: parts.of(request).accounts.add_account_with_key(name),
        f"account {name}",
        name=name,
    )


async def _ask_user(request: Request) -> Response:
    failures.operator(request)
    account = await _account(request, request.query_params.get("account", ""))
    return render.fragment(request, "accounts/add.html", account=account.owner)


async def _add_user(request: Request) -> Response:
    failures.operator(request)
    given = await _fields(request)
    account, name = await _account(request, given.get("account", "")), given.get("name", "")
    account_id = account.owner.account_id
    return await _make(
        request,
        lambda: parts.of(request).accounts.add_user_with_key(name, account_id),
        f"user {name} of account {account.owner.name}",
        name=name,
        account=account.owner,
    )


async def _add_key(request: Request) -> Response:
    failures.operator(request)
    given = await _fields(request)
    account, user = given.get("account", ""), given.get("user") or None
    made = await parts.of(request).run(parts.of(request).accounts.add_key, account, user)
    return _made(request, made, "a key")


async def _make(
    request: Request, make: Callable[[], Credential], what: str, **entered: Any
) -> Response:
    """Makes somebody with a key, or shows the form again with what is wrong."""
    failures.operator(request)
    try:
        made = await parts.of(request).run(make)
    except Problem as problem:
        # Most hints are commands for a shell.
        hint = problem.hint or ""
        wrong = problem.message if hint.startswith("bucketlog ") else f"{problem.message} {hint}"
        return render.fragment(request, "accounts/add.html", wrong=wrong.strip(), **entered)
    return _made(request, made, what)


def _made(request: Request, made: Credential, what: str) -> Response:
    session = parts.session(request)
    _tell(request, f"added {what}, access key {made.access_key}")
    session.fresh[made.access_key] = made
    return render.redirect(request, f"/accounts/made/{made.access_key}")


async def _show_made(request: Request) -> Response:
    """The page with the secret: once."""
    failures.operator(request)
    console, access_key = parts.of(request), request.path_params["access_key"]
    made = parts.session(request).fresh.pop(access_key, None)
    if made is None:
        return render.page(
            request,
            "accounts/shown.html",
            status=410,
            access_key=access_key,
            is_there=console.accounts.find_key(access_key) is not None,
        )
    text = signers.profile(made, endpoint=endpoint_for(request), region=console.config.regions[0])
    return render.page(
        request,
        "accounts/made.html",
        made=made,
        name=signers.name_of(made),
        user=signers.user_of(made),
        profile=text,
        profile_name=signers.profile_name(made),
    )


# ── removing ────────────────────────────────────────────────────────────────────────────────────


async def _ask_key(request: Request) -> Response:
    failures.operator(request)
    key = await _key(request, request.query_params.get("key", ""))
    return render.fragment(
        request, "accounts/remove_key.html", key=key, **await _consequences(request, [key])
    )


async def _remove_key(request: Request) -> Response:
    failures.operator(request)
    console = parts.of(request)
    key = await _key(request, (await _fields(request)).get("key", ""))
    told = await _consequences(request, [key])
    if told["is_last"]:
        return render.toast(request, "bad", "The last key of the operator stays.", status=409)
    await console.run(console.accounts.remove_key, key.access_key)
    said = f"The key {key.access_key} was removed."
    return _removed(request, f"key {key.access_key} of {key.arn}", said, told["is_own"])


async def _ask_removal(request: Request) -> Response:
    failures.operator(request)
    account, user = request.query_params.get("account", ""), request.query_params.get("user", "")
    console = parts.of(request)
    keys = await console.run(console.accounts.keys, account, user)
    owner = (await _account(request, account)).owner
    return render.fragment(
        request, "accounts/remove_user.html", account=owner, user=user, keys=keys
    )


async def _remove_user(request: Request) -> Response:
    failures.operator(request)
    console, given = parts.of(request), await _fields(request)
    account, user = given.get("account", ""), given.get("user", "")
    if given.get("confirmed") != user:
        return render.toast(request, "bad", "The name typed isn't the user's.", status=400)
    gone = await console.run(console.accounts.remove_user, user, account)
    keys = f" and {render.plural(len(gone), 'key')}" if gone else ""
    told = f"user {user} of account {account}, keys {', '.join(gone) or 'none'}"
    return _removed(
        request, told, f"{user}{keys} were removed." if gone else f"{user} was removed."
    )


def _removed(request: Request, what: str, said: str, is_own: bool = False) -> Response:
    _tell(request, f"removed {what}")
    if not is_own:
        return render.redirect(request, "/accounts", Toast("good", said))
    console = parts.of(request)
    console.sessions.end(parts.session(request))
    if render.is_fragment(request):
        answer = Response(headers={"HX-Redirect": "/login?ended=1"})
    else:
        answer = RedirectResponse("/login?ended=1", 303)
    answer.delete_cookie(security.cookie_name(console.config))
    return answer


async def _consequences(request: Request, keys: list[Key]) -> dict[str, Any]:
    """What removing them would do to whoever asks, and to everybody."""
    console, own = parts.of(request), parts.session(request).identity.access_key
    gone = {key.access_key for key in keys}

    def left() -> list[Key]:
        root = next(each for each in console.accounts.accounts() if each.is_root)
        held = console.accounts.keys(root.owner.account_id)
        return [key for key in held if key.user_name is None and key.access_key not in gone]

    return {"is_own": own in gone, "is_last": not await console.run(left)}


# ── what all of them need ───────────────────────────────────────────────────────────────────────


async def _fields(request: Request) -> dict[str, str]:
    form = await request.form(max_files=0, max_fields=10)
    return {name: str(value).strip() for name, value in form.items()}


async def _account(request: Request, account_id: str) -> Account:
    console = parts.of(request)
    for each in await console.run(console.accounts.accounts):
        if each.owner.account_id == account_id:
            return each
    raise Problem("There is no such account.", "See the list of accounts.")


async def _key(request: Request, access_key: str) -> Key:
    console = parts.of(request)
    for each in await console.run(console.accounts.keys):
        if each.access_key == access_key:
            return each
    raise Problem(f"There is no access key {access_key}.", "It may have been removed already.")


def _tell(request: Request, what: str) -> None:
    """No access log has this: it is no request to a bucket. So the server's own log does."""
    log.info("%s %s", parts.session(request).identity.access_key, what)


routes = [
    Route("/accounts", _show, methods=["GET"]),
    Route("/accounts", _add_account, methods=["POST"]),
    Route("/accounts/users", _ask_user, methods=["GET"]),
    Route("/accounts/users", _add_user, methods=["POST"]),
    Route("/accounts/users/remove", _ask_removal, methods=["GET"]),
    Route("/accounts/users/remove", _remove_user, methods=["POST"]),
    Route("/accounts/keys", _add_key, methods=["POST"]),
    Route("/accounts/keys/remove", _ask_key, methods=["GET"]),
    Route("/accounts/keys/remove", _remove_key, methods=["POST"]),
    Route("/accounts/made/{access_key}", _show_made, methods=["GET"]),
]
