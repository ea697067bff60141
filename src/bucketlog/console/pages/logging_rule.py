"""Editing a bucket's access logging, in three steps, each a page of its own.

The form, with a preview that the server makes while somebody types; the review, which shows
exactly what will be set and added, at an address that can be shared; the saving, which answers
with what became of each step. If the buckets have changed since the review, that is shown again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.accesslog.targets import Target
from bucketlog.console import frame, logging_plan, parts, render, s3, standing
from bucketlog.console.logging_plan import Choice, Plan
from bucketlog.console.pages import buckets
from bucketlog.console.s3 import Failure
from bucketlog.console.sessions import Toast


async def _edit(request: Request) -> Response:
    console, bucket = parts.of(request), request.path_params["bucket"]
    region = await frame.region_of(request, bucket)
    client = console.store.client(parts.session(request))

    def find() -> tuple[standing.Standing, str]:
        found = standing.look(client, bucket, console.rules)
        with s3.translated():
            owner: str = client.get_bucket_acl(Bucket=bucket)["Owner"]["ID"]
        return found, owner

    (found, owner_id), listed = await console.run(find), await buckets.all_buckets(request)
    query = request.query_params
    asked = logging_plan.wanted(query).target
    target = asked or found.target or Target("", f"{bucket}/")
    choices = logging_plan.choices(bucket, region, owner_id, listed)
    return await frame.page(
        request,
        "properties/logging_edit.html",
        "Properties",
        region=region,
        standing=found,
        is_on=query.get("enabled", "on" if found.target else "off") == "on",
        choices=await console.run(_warned, client, bucket, choices, console),
        **await console.run(_previewed, client, console, bucket, target, found.account_id, region),
    )


def _warned(client: Any, bucket: str, listed: list[Choice], console: parts.Parts) -> list[Choice]:
    """The choices with warnings (itself, and rings), and which are targets already."""
    into = {target.bucket for name, target in console.rules.all().items() if name != bucket}
    found = []
    for choice in listed:
        if choice.reason is None:
            ring = standing.ring_of(client, bucket, console.rules, choice.name)
            warning = None
            if len(ring) > 1:
                warning = f"would close a ring: {' → '.join([*ring, bucket])}"
            elif ring:
                warning = "the bucket itself, so that reading its logs is logged too"
            choice = replace(choice, warning=warning, is_target=choice.name in into)
        found.append(choice)
    return found


def _previewed(
    client: Any,
    console: parts.Parts,
    bucket: str,
    target: Target,
    account_id: str,
    region: str | None,
) -> dict[str, Any]:
    """The example, and advice; names other buckets only where this key may read their rules."""
    others = []
    for name, known in sorted(console.rules.all().items()):
        if name != bucket and (known.bucket, known.prefix) == (target.bucket, target.prefix):
            try:
                with s3.translated():
                    client.get_bucket_logging(Bucket=name)
            except Failure:
                continue
            others.append(name)
    return {
        "example": logging_plan.example(target, bucket, account_id, region),
        "advice": logging_plan.advice(bucket, target, others) if target.bucket else [],
        "target": target,
    }


async def _preview(request: Request) -> Response:
    """The name a log object would have, while somebody types."""
    console, query = parts.of(request), request.query_params
    asked = {**query, "enabled": "on", "target": query.get("target") or "?"}
    target = logging_plan.wanted(asked).target
    assert target is not None
    context = await console.run(
        _previewed,
        console.store.client(parts.session(request)),
        console,
        request.path_params["bucket"],
        replace(target, bucket=query.get("target", "")),
        query.get("account", ""),
        query.get("region", ""),
    )
    return render.fragment(request, "properties/logging_preview.html", **context)


async def _review(request: Request) -> Response:
    console, bucket = parts.of(request), request.path_params["bucket"]
    client = console.store.client(parts.session(request))
    asked = logging_plan.wanted(request.query_params)
    if request.query_params.get("enabled") == "on" and asked.target is None:
        said = Toast("bad", "Choose the bucket that log objects shall go to.")
        return render.redirect(request, f"{_address(bucket)}?enabled=on", said)
    made = await console.run(logging_plan.plan, client, bucket, asked, console.rules)
    return await _reviewed(request, made, changed=False)


async def _reviewed(request: Request, made: Plan, *, changed: bool) -> Response:
    region = await frame.region_of(request, made.source)
    after = made.after
    context: dict[str, Any] = {
        "plan": made,
        "changed": changed,
        "ring_words": logging_plan.ring_words(made.ring),
        "example": after and logging_plan.example(after, made.source, made.account_id, region),
        "fields": logging_plan.fields_of(made),
    }
    if render.is_fragment(request):
        context |= {"bucket": made.source}
        return render.fragment(request, "properties/logging_plan.html", **context)
    return await frame.page(
        request, "properties/logging_review.html", "Properties", region=region, **context
    )


async def _save(request: Request) -> Response:
    console, bucket = parts.of(request), request.path_params["bucket"]
    client = console.store.client(parts.session(request))
    form = await request.form(max_files=0, max_fields=20)
    asked = logging_plan.wanted(form)
    made = await console.run(logging_plan.plan, client, bucket, asked, console.rules)
    if form.get("shown") != made.digest:
        return await _reviewed(request, made, changed=True)
    steps = await console.run(logging_plan.carry_out, client, made)
    context: dict[str, Any] = {
        "plan": made,
        "steps": steps,
        "standing": await console.run(_looked, client, bucket, console),
        "fields": logging_plan.fields_of(made),
    }
    if render.is_fragment(request):
        context |= {"bucket": bucket}
        return render.fragment(request, "properties/logging_done.html", **context)
    return await frame.page(request, "properties/logging_saved.html", "Properties", **context)


def _looked(client: Any, bucket: str, console: parts.Parts) -> standing.Standing | None:
    try:
        return standing.look(client, bucket, console.rules)
    except Failure:
        return None


def _address(bucket: str) -> str:
    return f"/buckets/{render.segment(bucket)}/properties/logging"


routes = [
    Route("/buckets/{bucket}/properties/logging", _edit, methods=["GET"]),
    Route("/buckets/{bucket}/properties/logging", _save, methods=["POST"]),
    Route("/buckets/{bucket}/properties/logging/preview", _preview, methods=["GET"]),
    Route("/buckets/{bucket}/properties/logging/review", _review, methods=["GET"]),
]
