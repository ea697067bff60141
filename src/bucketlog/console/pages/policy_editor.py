"""The editor of a bucket's policy: check, format, insert an example, save, delete.

The text stays in the page until it is saved, so every answer is the editor again with the text in
it. What would open the bucket to everyone, or stop a delivery, is told and must be confirmed.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import frame, parts, policy_text, render, s3, standing
from bucketlog.console.policy_text import Verdict
from bucketlog.console.s3 import Failure
from bucketlog.console.sessions import Toast
from bucketlog.console.standing import Standing
from bucketlog.delivery import parties
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket

_FIELDS = {"max_files": 0, "max_fields": 20, "max_part_size": 256 * 1024}


def context(text: str, put: str, refusal: Failure | None = None, **more: Any) -> dict[str, Any]:
    """Of the card: the text in the editor, and the policy that is put ("" for none)."""
    return {
        "policy_text": text,
        "policy_shown": _digest(put),
        "has_policy": bool(put),
        "policy_refusal": refusal,
        "policy_failure": None,
        "verdict": None,
        "asks": False,
        "confirms": "",
        "changed": False,
        "examples": policy_text.EXAMPLES,
        **more,
    }


def target_of(client: Any, bucket: str, sources: list[Standing]) -> Bucket | None:
    """The bucket as deliveries into it are judged; None where none are, or this key can't tell."""
    if not sources:
        return None
    try:
        with s3.translated():
            return standing.bucket_of(client, bucket, sources[0].account_id)
    except (Failure, S3Error):
        return None


def _judged(request: Request, text: str) -> Verdict:
    console, bucket = parts.of(request), request.path_params["bucket"]
    client = console.store.client(parts.session(request))
    sources, _ = standing.sources(client, bucket, console.rules)
    target = target_of(client, bucket, sources)
    return policy_text.judge(text, bucket, console.accounts.is_principal, target, sources)


async def _check(request: Request) -> Response:
    form = await request.form(**_FIELDS)
    text = policy_text.formatted(str(form.get("policy", "")))
    verdict = await parts.of(request).run(_judged, request, text)
    return await _answer(request, form, text, verdict=verdict)


async def _insert(request: Request) -> Response:
    bucket = request.path_params["bucket"]
    form = await request.form(**_FIELDS)
    text = str(form.get("policy", ""))
    example = policy_text.BY_NAME.get(str(form.get("example", "")))
    if example is not None:
        account_id = await parts.of(request).run(_account_id, request, bucket)
        try:
            text = policy_text.inserted(text, example, bucket, account_id)
        except ValueError:
            wrong = Verdict("An example can only be added to what is valid JSON: mend that first.")
            return await _answer(request, form, text, verdict=wrong)
    verdict = await parts.of(request).run(_judged, request, text)
    return await _answer(request, form, text, verdict=verdict)


def _account_id(request: Request, bucket: str) -> str:
    """The bucket's account, where its owner asks; else a word in its place."""
    client = parts.of(request).store.client(parts.session(request))
    try:
        with s3.translated():
            answer = client.get_bucket_logging(Bucket=bucket)
    except Failure:
        return "ACCOUNT-ID"
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return str(headers.get(parties.ACCOUNT_HEADER, "ACCOUNT-ID"))


async def _save(request: Request) -> Response:
    console, bucket = parts.of(request), request.path_params["bucket"]
    client = console.store.client(parts.session(request))
    form = await request.form(**_FIELDS)
    text = str(form.get("policy", "")).strip()
    verdict = await console.run(_judged, request, text)
    if verdict.message is not None:
        return await _answer(request, form, text, verdict=verdict)

    def put() -> dict[str, Any]:
        with s3.translated():
            now = parties.policy_text(client, bucket) or ""
            if form.get("shown") != _digest(now):
                return context(text, now, verdict=verdict, changed=True)
            if verdict.needs_confirming and form.get("confirmed") != _digest(text):
                return context(text, now, verdict=verdict, asks=True, confirms=_digest(text))
            try:
                with s3.translated():
                    client.put_bucket_policy(Bucket=bucket, Policy=text)
            except Failure as failure:
                return context(text, now, policy_failure=failure)
        return context(text, text)

    found = await console.run(put)
    if found["verdict"] is None and found["policy_failure"] is None:
        parts.session(request).toasts.append(Toast("good", "The bucket policy was saved."))
    return await _shown(request, found)


async def _delete(request: Request) -> Response:
    bucket = request.path_params["bucket"]
    form = await request.form(**_FIELDS)
    if form.get("confirmed") != "on":
        said = "Nothing was deleted: tick that the policy shall go."
        return render.toast(request, "bad", said, status=400)
    await s3.call(request, "delete_bucket_policy", Bucket=bucket)
    done = Toast("good", f"The policy of {bucket} was deleted.")
    return render.redirect(request, f"/buckets/{render.segment(bucket)}/permissions", done)


async def _answer(request: Request, form: Any, text: str, **more: Any) -> Response:
    """The editor with the text; what is put counts as it was shown."""
    put = form.get("has_policy") == "yes"
    shown = {"policy_shown": str(form.get("shown", "")), "has_policy": put}
    return await _shown(request, context(text, "", **shown, **more))


async def _shown(request: Request, found: dict[str, Any]) -> Response:
    bucket = request.path_params["bucket"]
    if render.is_fragment(request):
        return render.fragment(request, "permissions/policy.html", bucket=bucket, **found)
    card = "permissions/policy.html"
    return await frame.page(request, "permissions/one.html", "Permissions", card=card, **found)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()


routes = [
    Route("/buckets/{bucket}/permissions/policy", _save, methods=["POST"]),
    Route("/buckets/{bucket}/permissions/policy/check", _check, methods=["POST"]),
    Route("/buckets/{bucket}/permissions/policy/insert", _insert, methods=["POST"]),
    Route("/buckets/{bucket}/permissions/policy/delete", _delete, methods=["POST"]),
]
