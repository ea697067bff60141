"""ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation."""

from __future__ import annotations

import sqlite3

from bucketlog.backends.files import index as rows
from bucketlog.backends.files import rollup
from bucketlog.backends.files.catalog import bits_of
from bucketlog.backends.files.depot import Depot, bucket_of, writer_of
from bucketlog.backends.files.listing import name_of, token_of
from bucketlog.s3 import acl as acls
from bucketlog.s3 import xml
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Call, Owner, Ownership, PublicAccessBlock, Reply

CLASSIC_REGION = "us-east-1"
"""Its location is told as nothing (Q060), and making one's own bucket again there is 200 (Q062)."""

BODY_BYTES = 1024 * 1024
"""Most of an XML or JSON document in a request body; S3's own limits are lower for each kind."""

_ALL_BLOCKED = PublicAccessBlock(True, True, True, True)


class Buckets:
    """The operations on buckets as such."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot

    async def list(self, call: Call) -> Reply:
        """ListBuckets: those of the caller's account."""
        owner = call.caller.account
        if owner is None:
            raise S3Error("AccessDenied")
        query = call.route.query
        limit = rollup.limit_of(query, "max-buckets", 10_000)
        if limit == 0:
            raise S3Error(
                "InvalidArgument",
                "Argument max-buckets must be an integer between 1 and 10000",
                ArgumentName="max-buckets",
                ArgumentValue="0",
            )
        prefix = query.get("prefix", "")
        token = query.get("continuation-token")
        after = name_of(token).decode() if token else ""
        region = query.get("bucket-region")
        found = self._depot.index.reader.execute(
            "SELECT name, created_at, region FROM buckets "
            "WHERE owner = (SELECT id FROM owners WHERE canonical_id = ?) AND name > ? "
            "AND substr(name, 1, ?) = ? AND (? IS NULL OR region = ?) ORDER BY name LIMIT ?",
            (owner.canonical_id, after, len(prefix), prefix, region, region, limit + 1),
        ).fetchall()
        more = token_of(found[limit - 1][0].encode()) if len(found) > limit else None
        body = xml.list_buckets(owner, found[:limit], prefix=query.get("prefix"), token=more)
        return Reply(200, {"Content-Type": xml.TYPE}, body)

    async def create(self, call: Call) -> Reply:
        """CreateBucket: in the default Region, or the one the body names."""
        name = call.route.bucket
        assert name is not None
        headers = call.request.headers
        if headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true":
            raise S3Error(
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
                Header="x-amz-bucket-object-lock-enabled",
            )
        owner = writer_of(call)
        ownership = ownership_of(headers.get("x-amz-object-ownership"))
        wanted = acls.requested(headers, owner, known=self._depot.name_of)
        acls.check_new_bucket(wanted, enforced=ownership is Ownership.ENFORCED)
        if wanted is not None and acls.is_public(wanted):
            # A new bucket blocks public ACLs from its first moment.
            raise S3Error(
                "InvalidBucketAclWithBlockPublicAccessError",
                "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
            )
        body = await call.body.read(BODY_BYTES)
        region = self._region_of(xml.location_constraint(body) if body else None, call.region)
        await self._depot.run(
            self._insert, name, region, owner, call.now, wanted or acls.private(owner), ownership
        )
        return Reply(200, {"Location": f"/{name}"})

    def _region_of(self, constraint: str | None, signed_for: str | None) -> str:
        """Where a new bucket goes. Requests signed for us-east-1 may name any Region, others only
        their own; and must, unless it is the default here.
        """
        regions = self._depot.regions
        home = signed_for or regions[0]
        if constraint is None and home in (CLASSIC_REGION, regions[0]):
            return home
        constraint = {None: "unspecified", "EU": "eu-west-1"}.get(constraint, constraint or "")
        if constraint in regions and signed_for in (None, CLASSIC_REGION, constraint):
            return constraint
        if constraint != "unspecified" and not xml.is_region(constraint):
            raise S3Error("InvalidLocationConstraint", LocationConstraint=constraint)
        raise S3Error(
            "IllegalLocationConstraintException",
            f"The {constraint} location constraint is incompatible for the region specific "
            "endpoint this request was sent to.",
        )

    def _insert(
        self,
        name: str,
        region: str,
        owner: Owner,
        now: int,
        acl: acls.Acl,
        ownership: Ownership,
    ) -> None:
        with self._depot.index.write() as connection:
            taken = connection.execute(
                "SELECT owners.canonical_id, region FROM buckets JOIN owners "
                "ON owners.id = buckets.owner WHERE buckets.name = ?",
                (name,),
            ).fetchone()
            if taken is not None:
                if taken[0] != owner.canonical_id:
                    raise S3Error("BucketAlreadyExists", BucketName=name)
                if taken[1] == CLASSIC_REGION == region:
                    return
                raise S3Error("BucketAlreadyOwnedByYou", BucketName=name)
            connection.execute(
                "INSERT INTO buckets (name, region, owner, created_at, acl, ownership, "
                "public_access) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    name,
                    region,
                    rows.owner_id(connection, owner),
                    now,
                    acls.encode(acl),
                    ownership.value,
                    bits_of(_ALL_BLOCKED),
                ),
            )
        self._depot.bump()

    async def head(self, call: Call) -> Reply:
        """HeadBucket."""
        bucket = bucket_of(call)
        return Reply(
            200,
            {
                "x-amz-bucket-region": bucket.region,
                "x-amz-access-point-alias": "false",
                "Content-Type": "application/xml",
            },
        )

    async def location(self, call: Call) -> Reply:
        """GetBucketLocation: empty for us-east-1."""
        region = bucket_of(call).region
        body = xml.location(None if region == CLASSIC_REGION else region)
        return Reply(200, {"Content-Type": xml.TYPE}, body)

    async def delete(self, call: Call) -> Reply:
        """DeleteBucket: one without objects. Uploads under way are aborted with it."""
        await self._depot.run(self._delete, bucket_of(call).name)
        return Reply(204)

    def _delete(self, name: str) -> None:
        with self._depot.index.write() as connection:
            number = rows.bucket_id(connection, name)
            if connection.execute(
                "SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (number,)
            ).fetchone():
                raise S3Error("BucketNotEmpty", BucketName=name)
            blobs = drop_uploads(connection, number)
            connection.execute("DELETE FROM buckets WHERE id = ?", (number,))
        self._depot.bump()
        for blob in blobs:
            self._depot.blobs.remove(blob)


def drop_uploads(connection: sqlite3.Connection, bucket: int) -> list[str]:
    """Takes away a bucket's uploads and their parts; returns the blobs nobody names then."""
    parts = "FROM parts WHERE upload IN (SELECT id FROM uploads WHERE bucket = ?)"
    blobs = connection.execute(f"SELECT blob {parts} AND blob IS NOT NULL", (bucket,)).fetchall()
    connection.execute(f"DELETE {parts}", (bucket,))
    connection.execute("DELETE FROM uploads WHERE bucket = ?", (bucket,))
    return [blob for (blob,) in blobs]


def ownership_of(text: str | None) -> Ownership:
    """An x-amz-object-ownership header; BucketOwnerEnforced where there is none."""
    if text is None:
        return Ownership.ENFORCED
    try:
        return Ownership(text)
    except ValueError:
        raise S3Error(
            "InvalidArgument",
            f"Invalid x-amz-object-ownership header: {text}",
            ArgumentName="x-amz-object-ownership",
            ArgumentValue=text,
        ) from None
