"""What is set on a bucket or an object: ACLs, policy, ownership controls, public access block.

A change is committed, the counter bumped, then answered: the next request anywhere sees it.
"""

from __future__ import annotations

from typing import Any

from bucketlog.backends.files import index as rows
from bucketlog.backends.files.buckets import BODY_BYTES
from bucketlog.backends.files.catalog import bits_of
from bucketlog.backends.files.depot import Depot, bucket_of, key_of, stored
from bucketlog.backends.files.objects import check_version
from bucketlog.s3 import acl as acls
from bucketlog.s3 import policy as policies
from bucketlog.s3 import xml
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Call, Facts, ObjectAccess, Ownership, Reply

POLICY_BYTES = 20 * 1024
"""Most a bucket policy may have (S3 User Guide)."""


class Documents:
    """The sub-resources that say who may do what."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot

    # ── ACLs ────────────────────────────────────────────────────────────────────────────────────

    async def bucket_acl(self, call: Call) -> Reply:
        """GetBucketAcl."""
        bucket = bucket_of(call)
        shown = bucket.acl if bucket.acls_enabled else acls.private(bucket.owner)
        return _xml(acls.render(shown))

    async def put_bucket_acl(self, call: Call) -> Reply:
        """PutBucketAcl."""
        bucket = bucket_of(call)
        body = await call.body.read(BODY_BYTES)
        headers = call.request.headers
        wanted = acls.submitted(headers, body, bucket.owner, known=self._depot.name_of)
        acls.check(wanted, bucket, headers)
        await self._depot.run(self._set, bucket.name, "acl", acls.encode(wanted))
        return Reply(200)

    async def object_acl(self, call: Call) -> Reply:
        """GetObjectAcl."""
        access, size = self._object_access(call)
        bucket = bucket_of(call)
        acl = access.acl if bucket.acls_enabled else acls.private(bucket.owner)
        reply = _xml(acls.render(acl))
        reply.facts = Facts(object_size=size)
        return reply

    async def put_object_acl(self, call: Call) -> Reply:
        """PutObjectAcl."""
        bucket = bucket_of(call)
        access, size = self._object_access(call)
        owner = access.owner if bucket.acls_enabled else bucket.owner
        body = await call.body.read(BODY_BYTES)
        headers = call.request.headers
        wanted = acls.submitted(headers, body, owner, bucket.owner, known=self._depot.name_of)
        acls.check(wanted, bucket, headers)
        await self._depot.run(self._set_object_acl, bucket.name, key_of(call), stored(wanted))
        return Reply(200, facts=Facts(object_size=size))

    def _object_access(self, call: Call) -> tuple[ObjectAccess, int]:
        key = key_of(call)
        bucket = bucket_of(call)
        entry = self._depot.index.entry(self._depot.known.expect(bucket.name).id, key)
        check_version(call.route.version_id, key, entry is not None)
        if entry is None:
            raise S3Error("NoSuchKey", Key=key)
        return self._depot.known.access_of(entry), entry.size

    def _set_object_acl(self, bucket: str, key: str, acl: str | None) -> None:
        with self._depot.index.write() as connection:
            changed = connection.execute(
                "UPDATE objects SET acl = ? WHERE bucket = ? AND key = ?",
                (acl, rows.bucket_id(connection, bucket), key.encode()),
            ).rowcount
        if not changed:
            raise S3Error("NoSuchKey", Key=key)

    # ── policy ──────────────────────────────────────────────────────────────────────────────────

    async def policy(self, call: Call) -> Reply:
        """GetBucketPolicy: the text as it was put."""
        text = bucket_of(call).policy_text
        if text is None:
            raise _no_policy(call)
        return Reply(200, {"Content-Type": "application/json"}, text.encode())

    async def policy_status(self, call: Call) -> Reply:
        """GetBucketPolicyStatus."""
        policy = bucket_of(call).policy
        if policy is None:
            raise _no_policy(call)
        return _xml(xml.policy_status(policies.is_public(policy)))

    async def put_policy(self, call: Call) -> Reply:
        """PutBucketPolicy."""
        bucket = bucket_of(call)
        data = await call.body.read(BODY_BYTES)
        if len(data) > POLICY_BYTES:
            raise S3Error("MalformedPolicy", "Policy exceeds the maximum allowed document size.")
        policy = policies.parse(data, bucket.name, known=self._depot.is_principal)
        block = bucket.public_access
        if block is not None and block.block_public_policy and policies.is_public(policy):
            raise S3Error(
                "AccessDenied",
                "Access Denied: the policy is public, and public policies are prevented by the "
                "BlockPublicPolicy setting in S3 Block Public Access.",
            )
        await self._depot.run(self._set, bucket.name, "policy", data.decode())
        return Reply(204)

    async def delete_policy(self, call: Call) -> Reply:
        """DeleteBucketPolicy: 204 also when there is none."""
        await self._depot.run(self._set, bucket_of(call).name, "policy", None)
        return Reply(204)

    # ── ownership controls ──────────────────────────────────────────────────────────────────────

    async def ownership(self, call: Call) -> Reply:
        """GetBucketOwnershipControls."""
        bucket = bucket_of(call)
        if bucket.ownership is None:
            raise S3Error("OwnershipControlsNotFoundError", BucketName=bucket.name)
        return _xml(xml.ownership_controls(bucket.ownership))

    async def put_ownership(self, call: Call) -> Reply:
        """PutBucketOwnershipControls."""
        bucket = bucket_of(call)
        wanted = xml.parse_ownership_controls(await call.body.read(BODY_BYTES))
        acls.check_new_bucket(bucket.acl, enforced=wanted is Ownership.ENFORCED)
        await self._depot.run(self._set, bucket.name, "ownership", wanted.value)
        return Reply(200)

    async def delete_ownership(self, call: Call) -> Reply:
        """DeleteBucketOwnershipControls."""
        await self._depot.run(self._set, bucket_of(call).name, "ownership", None)
        return Reply(204)

    # ── public access block ─────────────────────────────────────────────────────────────────────

    async def public_access(self, call: Call) -> Reply:
        """GetPublicAccessBlock."""
        bucket = bucket_of(call)
        if bucket.public_access is None:
            raise S3Error("NoSuchPublicAccessBlockConfiguration", BucketName=bucket.name)
        return _xml(xml.public_access_block(bucket.public_access))

    async def put_public_access(self, call: Call) -> Reply:
        """PutPublicAccessBlock."""
        block = xml.parse_public_access_block(await call.body.read(BODY_BYTES))
        await self._depot.run(self._set, bucket_of(call).name, "public_access", bits_of(block))
        return Reply(200)

    async def delete_public_access(self, call: Call) -> Reply:
        """DeletePublicAccessBlock."""
        await self._depot.run(self._set, bucket_of(call).name, "public_access", None)
        return Reply(204)

    def _set(self, bucket: str, column: str, value: Any) -> None:
        with self._depot.index.write() as connection:
            changed = connection.execute(
                f"UPDATE buckets SET {column} = ? WHERE name = ?", (value, bucket)
            ).rowcount
        if not changed:
            raise S3Error("NoSuchBucket", BucketName=bucket)
        self._depot.bump()


def _no_policy(call: Call) -> S3Error:
    return S3Error("NoSuchBucketPolicy", BucketName=bucket_of(call).name)


def _xml(body: bytes) -> Reply:
    return Reply(200, {"Content-Type": xml.TYPE}, body)
