"""The tab Permissions of a bucket: who may do what, and by which of its four settings.

Each card is shown as far as this key may read what is in it, with the reason where it may not.
Changing them is `access_settings` (public access, ownership, ACL) and `policy_editor`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import frame, parts, policy_text, s3, standing
from bucketlog.console.grants import Row
from bucketlog.console.pages import access_settings, policy_editor
from bucketlog.console.s3 import Failure
from bucketlog.console.standing import Standing
from bucketlog.delivery import parties
from bucketlog.s3 import policy
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket, Ownership


@dataclass(frozen=True, slots=True)
class Access:
    """What the tab shows; a `Failure` stands where this key may not read."""

    acl: list[Row] | Failure
    ownership: str | Failure | None
    block: dict[str, bool] | Failure
    policy: str | Failure | None
    policy_is_public: bool
    sources: list[Standing]
    stops: tuple[str, ...]
    """Source buckets whose delivery is permitted by the policy, and by nothing else."""

    @property
    def acls_enabled(self) -> bool:
        """Whether ACLs count."""
        return self.ownership != "BucketOwnerEnforced"

    @property
    def block_is_whole(self) -> bool:
        """Whether all public access is blocked."""
        return isinstance(self.block, dict) and all(self.block.values())

    @property
    def acl_is_public(self) -> bool:
        """Whether the ACL grants anything to everyone."""
        return (
            self.acls_enabled
            and isinstance(self.acl, list)
            and any(row.is_public and row.permissions for row in self.acl)
            and not (isinstance(self.block, dict) and self.block["IgnorePublicAcls"])
        )

    @property
    def by_acl(self) -> list[str]:
        """The source buckets whose delivery the ACL permits."""
        return [
            each.bucket for each in self.sources if each.permission and each.permission.by == "acl"
        ]


def look(client: Any, bucket: str, console: parts.Parts) -> Access:
    """Everything the tab shows. Blocks."""
    acl = _unless_refused(lambda: access_settings.table(client, bucket))
    ownership = _unless_refused(lambda: parties.ownership(client, bucket))
    if isinstance(ownership, Ownership):
        ownership = ownership.value
    block = _unless_refused(lambda: access_settings.block(client, bucket))
    text = _unless_refused(lambda: parties.policy_text(client, bucket))
    sources, _ = standing.sources(client, bucket, console.rules)
    shown = text if isinstance(text, str) else None
    return Access(
        acl,
        ownership,
        block,
        text,
        _is_public(shown, bucket),
        sources,
        () if shown is None else _held_by_policy(client, bucket, sources),
    )


def _unless_refused(call: Callable[[], Any]) -> Any:
    try:
        with s3.translated():
            return call()
    except Failure as failure:
        if failure.status != 403:
            raise
        return failure


def _is_public(text: str | None, bucket: str) -> bool:
    if text is None:
        return False
    try:
        return policy.is_public(policy.parse(text, bucket))
    except S3Error:
        return False


def _held_by_policy(client: Any, bucket: str, sources: list[Standing]) -> tuple[str, ...]:
    before: Bucket | None = policy_editor.target_of(client, bucket, sources)
    return policy_text.stops(before, policy_text.without_policy(before), sources)


async def _show(request: Request) -> Response:
    console, bucket = parts.of(request), request.path_params["bucket"]
    region = await frame.region_of(request, bucket)
    client = console.store.client(parts.session(request))
    access = await console.run(look, client, bucket, console)
    refusal = access.policy if isinstance(access.policy, Failure) else None
    text = access.policy if isinstance(access.policy, str) else ""
    return await frame.page(
        request,
        "permissions/page.html",
        "Permissions",
        region=region,
        access=access,
        **access_settings.acl_context(access.acl, access.acls_enabled),
        **access_settings.block_context(access.block),
        **access_settings.ownership_context(access.ownership, access.by_acl),
        **policy_editor.context(text, text, refusal),
    )


routes = [
    Route("/buckets/{bucket}/permissions", _show, methods=["GET"]),
    *access_settings.routes,
    *policy_editor.routes,
]
