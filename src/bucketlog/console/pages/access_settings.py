"""Changing who may reach a bucket: Block Public Access, object ownership, and its ACL.

Each card is a form that htmx posts and a fragment that answers. What opens a bucket to everyone,
or stops a delivery, asks to be confirmed first.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import frame, grants, parts, render, s3, standing
from bucketlog.console.grants import Row
from bucketlog.console.s3 import Failure
from bucketlog.console.sessions import Toast
from bucketlog.delivery import parties

BLOCK = (
    (
        "BlockPublicAcls",
        "Block public access granted through new ACLs",
        "Whoever tries to set a public ACL is refused. ACLs that are there stay.",
    ),
    (
        "IgnorePublicAcls",
        "Block public access granted through any ACLs",
        "Grants to everyone have no effect, whether old or new.",
    ),
    (
        "BlockPublicPolicy",
        "Block public access granted through new bucket policies",
        "A policy that gives access to everyone is refused. One that is there stays.",
    ),
    (
        "RestrictPublicBuckets",
        "Block public and cross-account access through any public bucket policy",
        "While the policy is public, only the owner's account and services of S3 come in.",
    ),
)
OWNERSHIP = (
    (
        "BucketOwnerEnforced",
        "Bucket owner enforced",
        "ACLs are disabled, the recommended way: you own every object, and policies alone give "
        "access. The log delivery group's grants have no effect then; delivery needs a statement "
        "in the policy.",
    ),
    (
        "BucketOwnerPreferred",
        "Bucket owner preferred",
        "ACLs are enabled. Objects that others write with the ACL bucket-owner-full-control are "
        "yours, others are theirs. Log objects belong to the log delivery service, and you have "
        "full control.",
    ),
    (
        "ObjectWriter",
        "Object writer",
        "ACLs are enabled. Whoever writes an object owns it, and may keep you from reading it.",
    ),
)
_UNSET_BLOCK = "NoSuchPublicAccessBlockConfiguration"


# ── reading; each raises what boto3 raises ──────────────────────────────────────────────────────


def table(client: Any, bucket: str) -> list[Row]:
    """The bucket's ACL."""
    answer = client.get_bucket_acl(Bucket=bucket)
    return grants.rows(answer["Owner"]["ID"], [parties.grant(each) for each in answer["Grants"]])


def block(client: Any, bucket: str) -> dict[str, bool]:
    """The four switches; all off where none is set."""
    from botocore.exceptions import ClientError

    told: dict[str, bool] = {}
    try:
        told = client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in (_UNSET_BLOCK, "NotImplemented"):
            raise
    return {name: bool(told.get(name)) for name, _, _ in BLOCK}


# ── what the cards show ─────────────────────────────────────────────────────────────────────────


def block_context(found: dict[str, bool] | Failure, **more: Any) -> dict[str, Any]:
    """Of the card Block Public Access."""
    is_refused = isinstance(found, Failure)
    return {
        "block": None if is_refused else found,
        "block_refusal": found if is_refused else None,
        "block_failure": None,
        "block_asks": False,
        "switches": BLOCK,
        **more,
    }


def ownership_context(
    found: str | Failure | None, by_acl: list[str], **more: Any
) -> dict[str, Any]:
    """Of the card Object Ownership. `by_acl`: the sources whose delivery hangs on the ACL."""
    is_refused = isinstance(found, Failure)
    return {
        "ownership": None if is_refused else found or "ObjectWriter",
        "ownership_refusal": found if is_refused else None,
        "ownership_failure": None,
        "by_acl": by_acl,
        "ownerships": OWNERSHIP,
        **more,
    }


def acl_context(found: list[Row] | Failure, enabled: bool, **more: Any) -> dict[str, Any]:
    """Of the card Access control list."""
    shown = [] if isinstance(found, Failure) else found
    return {
        "acl": shown,
        "acl_refusal": found if isinstance(found, Failure) else None,
        "acl_failure": None,
        "acl_asks": "",
        "acl_shown": grants.digest(shown),
        "acls_enabled": enabled,
        "columns": grants.COLUMNS,
        **more,
    }


# ── changing ────────────────────────────────────────────────────────────────────────────────────


async def _put_block(request: Request) -> Response:
    bucket, client = _of(request)
    form = await request.form(max_files=0, max_fields=20)
    wanted = {name: name in form for name, _, _ in BLOCK}

    def put() -> dict[str, Any]:
        with s3.translated():
            before = block(client, bucket)
            opens = any(before[name] and not wanted[name] for name in wanted)
            if opens and form.get("confirmed") != "on":
                return block_context(wanted, block_asks=True)
            client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=wanted)
        return block_context(wanted)

    try:
        context = await parts.of(request).run(put)
    except Failure as failure:
        context = block_context(wanted, block_failure=failure)
    if not context["block_asks"] and context["block_failure"] is None:
        _say(request, "Block Public Access was saved.")
    return await _answer(request, "block", context)


async def _put_ownership(request: Request) -> Response:
    bucket, client = _of(request)
    form = await request.form(max_files=0, max_fields=20)
    wanted = str(form.get("ownership", ""))
    console = parts.of(request)

    def put() -> dict[str, Any]:
        sources, _ = standing.sources(client, bucket, console.rules)
        by_acl = standing.permitted_by_acl(sources)
        try:
            with s3.translated():
                rule = {"ObjectOwnership": wanted}
                client.put_bucket_ownership_controls(
                    Bucket=bucket, OwnershipControls={"Rules": [rule]}
                )
        except Failure as failure:
            return ownership_context(wanted, by_acl, ownership_failure=failure)
        return ownership_context(wanted, by_acl)

    context = await console.run(put)
    if context["ownership_failure"] is None:
        # The other cards depend on it, so the whole page is shown again.
        said = Toast("good", "Object ownership was saved.")
        return render.redirect(request, f"/buckets/{render.segment(bucket)}/permissions", said)
    return await _answer(request, "ownership", context)


async def _put_acl(request: Request) -> Response:
    bucket, client = _of(request)
    form = await request.form(max_files=0, max_fields=500)

    def put() -> dict[str, Any]:
        with s3.translated():
            answer = client.get_bucket_acl(Bucket=bucket)
            owner = answer["Owner"]
            listed = [parties.grant(each) for each in answer["Grants"]]
            before = grants.rows(owner["ID"], listed)
            if form.get("shown") != grants.digest(before):
                return acl_context(before, True, acl_asks="changed")
            after = grants.chosen(before, form)
            asks = _risk(before, after)
            if asks and form.get("confirmed") != asks:
                return acl_context(after, True, acl_asks=asks, acl_shown=grants.digest(before))
            try:
                with s3.translated():
                    client.put_bucket_acl(
                        Bucket=bucket,
                        AccessControlPolicy={"Owner": owner, "Grants": grants.elements(after)},
                    )
            except Failure as failure:
                return acl_context(
                    after, True, acl_failure=failure, acl_shown=grants.digest(before)
                )
            return acl_context(table(client, bucket), True)

    context = await parts.of(request).run(put)
    if not context["acl_asks"] and context["acl_failure"] is None:
        _say(request, "The access control list was saved.")
    return await _answer(request, "acl", context)


def _risk(before: list[Row], after: list[Row]) -> str:
    """What must be confirmed: "public", "delivery", or ""."""
    if grants.becomes_public(before, after):
        return "public"
    return "delivery" if grants.stops_delivery(before, after) else ""


def _of(request: Request) -> tuple[str, Any]:
    client = parts.of(request).store.client(parts.session(request))
    return request.path_params["bucket"], client


def _say(request: Request, text: str) -> None:
    parts.session(request).toasts.append(Toast("good", text))


async def _answer(request: Request, card: str, context: dict[str, Any]) -> Response:
    """The card again; or, without htmx, a page that shows nothing else."""
    bucket = request.path_params["bucket"]
    if render.is_fragment(request):
        return render.fragment(request, f"permissions/{card}.html", bucket=bucket, **context)
    return await frame.page(
        request, "permissions/one.html", "Permissions", card=f"permissions/{card}.html", **context
    )


routes = [
    Route("/buckets/{bucket}/permissions/block", _put_block, methods=["POST"]),
    Route("/buckets/{bucket}/permissions/ownership", _put_ownership, methods=["POST"]),
    Route("/buckets/{bucket}/permissions/acl", _put_acl, methods=["POST"]),
]
