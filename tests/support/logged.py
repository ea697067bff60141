"""A scripted S3 with buckets in it, for pages that look at logging, policies and ACLs."""

from __future__ import annotations

from typing import Any

from tests.support.console import AT, Console, refusal

from bucketlog.accesslog.targets import Target

OWNER = "a" * 64
ACCOUNT = "123456789012"
GROUP = "http://acs.amazonaws.com/groups/s3/LogDelivery"
EVERYONE = "http://acs.amazonaws.com/groups/global/AllUsers"


def grant(permission: str, *, uri: str | None = None, who: str = OWNER) -> dict[str, Any]:
    """A grant as boto3 gives it."""
    grantee = {"Type": "Group", "URI": uri} if uri else {"Type": "CanonicalUser", "ID": who}
    return {"Grantee": grantee, "Permission": permission}


class Buckets:
    """What the scripted S3 holds; its tests change the dictionaries, and the pages too."""

    def __init__(self, console: Console, *names: str) -> None:
        self.console = console
        self.regions = dict.fromkeys(names, "us-east-1")
        self.rules: dict[str, dict[str, Any]] = {}
        self.headers: dict[str, str] = {}
        self.policies: dict[str, str] = {}
        self.ownership = dict.fromkeys(names, "BucketOwnerEnforced")
        self.acls = {name: [grant("FULL_CONTROL")] for name in names}
        self.blocks = {name: dict.fromkeys(_SWITCHES, True) for name in names}
        self.refused: dict[tuple[str, str], Exception] = {}
        script = console.s3.script
        for name in dir(self):
            if name.startswith(("get_", "put_", "head_", "list_", "delete_")):
                script[name] = self._guarded(name)

    def log(self, source: str, target: str, prefix: str = "", **more: Any) -> None:
        """Sets a rule, and notes it where the server has it."""
        enabled = {"TargetBucket": target, "TargetPrefix": prefix, **more}
        self.rules[source] = {"LoggingEnabled": enabled}
        self.console.parts.rules.put(source, Target(target, prefix))

    def refuse(self, operation: str, bucket: str, code: str = "AccessDenied") -> None:
        """Makes one operation on one bucket fail."""
        status = {"AccessDenied": 403, "NoSuchBucket": 404}.get(code, 400)
        self.refused[operation, bucket] = refusal(code, status, operation=operation)

    def _guarded(self, operation: str) -> Any:
        def answer(**parameters: Any) -> dict[str, Any]:
            name = parameters.get("Bucket", "")
            if (operation, name) in self.refused:
                raise self.refused[operation, name]
            if name and name not in self.regions:
                raise refusal("NoSuchBucket", 404, operation=operation)
            found: dict[str, Any] = getattr(self, operation)(**parameters)
            return found

        return answer

    # ── operations ──────────────────────────────────────────────────────────────────────────────

    def list_buckets(self, Prefix: str = "", **_: Any) -> dict[str, Any]:
        listed = [
            {"Name": name, "CreationDate": AT, "BucketRegion": region}
            for name, region in sorted(self.regions.items())
            if name.startswith(Prefix)
        ]
        return {"Buckets": listed, "Owner": {"ID": OWNER}}

    def head_bucket(self, Bucket: str) -> dict[str, Any]:
        return {"BucketRegion": self.regions[Bucket]}

    def get_bucket_versioning(self, Bucket: str) -> dict[str, Any]:
        raise refusal("NotImplemented", 501)

    def get_bucket_logging(self, Bucket: str) -> dict[str, Any]:
        headers = {"x-bucketlog-account": ACCOUNT, **self.headers}
        return {**self.rules.get(Bucket, {}), "ResponseMetadata": {"HTTPHeaders": headers}}

    def put_bucket_logging(self, Bucket: str, BucketLoggingStatus: Any) -> dict[str, Any]:
        self.rules[Bucket] = BucketLoggingStatus
        return {}

    def get_bucket_acl(self, Bucket: str) -> dict[str, Any]:
        return {"Owner": {"ID": OWNER, "DisplayName": "root"}, "Grants": self.acls[Bucket]}

    def put_bucket_acl(self, Bucket: str, AccessControlPolicy: Any) -> dict[str, Any]:
        self.acls[Bucket] = AccessControlPolicy["Grants"]
        return {}

    def get_bucket_policy(self, Bucket: str) -> dict[str, Any]:
        if Bucket not in self.policies:
            raise refusal("NoSuchBucketPolicy", 404)
        return {"Policy": self.policies[Bucket]}

    def put_bucket_policy(self, Bucket: str, Policy: str) -> dict[str, Any]:
        self.policies[Bucket] = Policy
        return {}

    def delete_bucket_policy(self, Bucket: str) -> dict[str, Any]:
        self.policies.pop(Bucket, None)
        return {}

    def get_bucket_ownership_controls(self, Bucket: str) -> dict[str, Any]:
        return {"OwnershipControls": {"Rules": [{"ObjectOwnership": self.ownership[Bucket]}]}}

    def put_bucket_ownership_controls(self, Bucket: str, OwnershipControls: Any) -> dict[str, Any]:
        self.ownership[Bucket] = OwnershipControls["Rules"][0]["ObjectOwnership"]
        return {}

    def get_public_access_block(self, Bucket: str) -> dict[str, Any]:
        return {"PublicAccessBlockConfiguration": self.blocks[Bucket]}

    def put_public_access_block(
        self, Bucket: str, PublicAccessBlockConfiguration: Any
    ) -> dict[str, Any]:
        self.blocks[Bucket] = PublicAccessBlockConfiguration
        return {}


_SWITCHES = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
