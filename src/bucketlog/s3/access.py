"""Whether a call is allowed: owner, bucket policy, ACLs, public-access block → `Decision`.

The only place where these rules meet. It is asked with an IAM action and, where an ACL may allow
the call instead, the permission the ACL must grant; all are columns of the operations table.
An explicit deny wins over everything. AWS pages: "How Amazon S3 authorizes a request", "Blocking
public access to your Amazon S3 storage", and the aclRequired table of "Amazon S3 server access
log format".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from bucketlog.s3 import acl, policy
from bucketlog.s3.model import (
    Bucket,
    Caller,
    Decision,
    ObjectAccess,
    Ownership,
    Permission,
    PublicAccessBlock,
    Request,
)
from bucketlog.s3.policy_actions import OBJECT_ACTIONS
from bucketlog.s3.policy_context import Context, Question

LOG_DELIVERY_SERVICE: Final = "logging.s3.amazonaws.com"

ObjectLookup = Callable[[], ObjectAccess | None]

_ALLOWED: Final = Decision(True, reason="of the bucket owner's account")
_ALLOWED_SETTING_ACL: Final = Decision(True, True, "of the bucket owner's account, and sets an ACL")
_NO_BLOCK: Final = PublicAccessBlock()

# What concerns an object that is there already, so that its own owner and ACL count. Writing and
# deleting are judged by the bucket: its owner may always delete.
_ON_STORED_OBJECT: Final = OBJECT_ACTIONS - {
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
}
# Requests with these actions may carry ACL headers (PutObject: CopyObject and
# CreateMultipartUpload too).
_MAY_SET_ACL: Final = frozenset(
    {"s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectVersionAcl", "s3:PutBucketAcl"}
)
_SETS_ACL: Final = _MAY_SET_ACL - {"s3:PutObject"}
_POLICY_ACTIONS: Final = frozenset(
    {"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"}
)
# "You must be the bucket owner": no policy can hand these to another account.
_OWNERS_ACCOUNT_ONLY: Final = _POLICY_ACTIONS | {
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketLogging",
    "s3:PutBucketLogging",
}


def decide(
    caller: Caller,
    action: str,
    bucket: Bucket,
    key: str | None = None,
    version_id: str | None = None,
    *,
    context: Context,
    permission: Permission | None = None,
    permission_on: Literal["bucket", "object"] | None = None,
    object_access: ObjectLookup | None = None,
) -> Decision:
    """Whether `caller` may do `action` to the bucket or to `key` in it.

    `action` is the IAM action, as in "s3:GetObject"; where a version is named it is already that
    of versions ("s3:GetObjectVersion"). `permission` on the bucket or object is what an ACL must
    grant to allow the call; None: no ACL can. `object_access` is called at most once, and only
    where the object's owner or ACL matters; without it, or where it gives None, no object ACL
    grants anything (`may_list` then says whether the caller may learn that the key is missing).
    """
    account = caller.account
    if (
        bucket.policy is None
        and account is not None
        and account.canonical_id == bucket.owner.canonical_id
        and (bucket.ownership is Ownership.ENFORCED or action not in _ON_STORED_OBJECT)
    ):
        if action in _MAY_SET_ACL and sets_acl(action, context.request):
            return _ALLOWED_SETTING_ACL
        return _ALLOWED
    question = Question(caller, action, bucket, key, version_id, context)
    return _judge(question, permission, permission_on, object_access)


def may_list(caller: Caller, bucket: Bucket, context: Context) -> bool:
    """Whether the caller may learn which keys exist: NoSuchKey for them, else AccessDenied."""
    return decide(
        caller,
        "s3:ListBucket",
        bucket,
        context=context,
        permission="READ",
        permission_on="bucket",
    ).allowed


def for_account(caller: Caller, request: Request) -> Decision:
    """The decision on what no bucket is there for yet: ListBuckets, CreateBucket."""
    if caller.account is None:
        return _denied("not signed by an account")
    return Decision(True, acl.is_set_by(request.headers), "signed by an account")


def sets_acl(action: str, request: Request) -> bool:
    """Whether a request that needs `action` sets an ACL, in the sense of aclRequired.

    The canned `bucket-owner-full-control` doesn't count when an object is written.
    """
    if action != "s3:PutObject":
        return action in _SETS_ACL
    headers = request.headers
    return acl.is_set_by(headers) and headers.get("x-amz-acl") != "bucket-owner-full-control"


# ── the rules, one function each ────────────────────────────────────────────────────────────────


def _denied(reason: str) -> Decision:
    return Decision(False, reason=reason)


def _judge(
    question: Question,
    permission: Permission | None,
    permission_on: Literal["bucket", "object"] | None,
    object_access: ObjectLookup | None,
) -> Decision:
    caller, bucket, action = question.caller, question.bucket, question.action
    account = caller.account
    member = account is not None and account.canonical_id == bucket.owner.canonical_id
    setting = action in _MAY_SET_ACL and sets_acl(action, question.context.request)
    verdict: policy.Verdict | None = None
    if bucket.policy is not None:
        decisive = bucket.policy.decisive(question)
        verdict = None if decisive is None else decisive.effect
        if (
            verdict != "deny"
            and setting
            and action == "s3:PutObject"
            and caller.service is None  # "only s3:PutObject is needed" for log delivery
        ):
            decisive, verdict = _also_acl(question, decisive)
        if decisive is not None and verdict == "deny":
            if member and caller.user_arn is None and action in _POLICY_ACTIONS:
                return _ALLOWED  # else nobody could ever mend such a policy
            return _denied(f"statement {decisive.label} of the bucket policy denies it")
    if caller.service is not None:
        return _for_service(question, verdict, setting)
    found: ObjectAccess | None = None
    if bucket.acls_enabled and object_access is not None and action in _ON_STORED_OBJECT:
        found = object_access()
        if found is not None and found.owner.canonical_id != bucket.owner.canonical_id:
            return _for_foreign_object(question, verdict, found, permission, setting, member)
    if member:
        return _ALLOWED_SETTING_ACL if setting else _ALLOWED
    if _is_restricted(bucket):
        return _denied(
            "restrict_public_buckets: the policy is public, the caller of another account"
        )
    if action in _OWNERS_ACCOUNT_ONLY:
        return _denied("only the bucket owner's account may do this")
    if verdict == "allow":
        return Decision(True, setting, "the bucket policy allows it")
    judged = found.acl if permission_on == "object" and found is not None else None
    if permission_on == "bucket":
        judged = bucket.acl
    if permission is not None and judged is not None and bucket.acls_enabled:
        return _by_acl(question, judged, permission)
    return _denied("neither the bucket policy nor an ACL allows it")


def _also_acl(
    question: Question, decisive: policy.Statement | None
) -> tuple[policy.Statement | None, policy.Verdict | None]:
    """A write that sets an ACL needs s3:PutObjectAcl as well, so far as the policy is concerned."""
    assert question.bucket.policy is not None
    second = question.bucket.policy.decisive(
        Question(
            question.caller,
            "s3:PutObjectAcl",
            question.bucket,
            question.key,
            question.version_id,
            question.context,
        )
    )
    if second is not None and second.effect == "deny":
        return second, "deny"
    both = decisive is not None and second is not None
    return decisive, "allow" if both else None


def _for_service(question: Question, verdict: policy.Verdict | None, setting: bool) -> Decision:
    """A service needs the policy to name it; log delivery may come in by its group instead."""
    if verdict == "allow":
        return Decision(True, setting, "the bucket policy allows it")
    bucket = question.bucket
    if bucket.acls_enabled and question.caller.service == LOG_DELIVERY_SERVICE:
        if question.action == "s3:PutObject" and acl.permits_delivery(bucket.acl):
            return Decision(True, True, "the bucket ACL grants it to the log-delivery group")
        if question.action == "s3:GetBucketAcl" and acl.holds(
            bucket.acl, (acl.LOG_DELIVERY,), "READ_ACP"
        ):
            return Decision(True, True, "the bucket ACL grants it to the log-delivery group")
    return _denied("no policy statement or ACL grant for this service")


def _for_foreign_object(
    question: Question,
    verdict: policy.Verdict | None,
    found: ObjectAccess,
    permission: Permission | None,
    setting: bool,
    member: bool,
) -> Decision:
    """An object of another account: the bucket's owner and policy can only deny it.

    aclRequired is still "-" where the policy says allow to another account, as in the table.
    """
    if not member and _is_restricted(question.bucket):
        return _denied(
            "restrict_public_buckets: the policy is public, the caller of another account"
        )
    account = question.caller.account
    needed = setting or member or verdict != "allow"
    if account is not None and account.canonical_id == found.owner.canonical_id:
        return Decision(True, needed, "of the object owner's account")
    if permission is None:
        return _denied("the object belongs to another account, and no ACL can grant this")
    decision = _by_acl(question, found.acl, permission)
    return Decision(True, needed, decision.reason) if decision.allowed else decision


def _by_acl(question: Question, judged: acl.Acl, permission: Permission) -> Decision:
    account = question.caller.account
    block = question.bucket.public_access or _NO_BLOCK
    who: tuple[str, ...] = () if account is None else (account.canonical_id,)
    if not block.ignore_public_acls:
        # Only the grants to the two public groups are ignored, not those that stand beside them.
        # Nobody in particular has a canonical id: what an unsigned request stored, any may read.
        who += (
            (acl.ALL_USERS, acl.ANONYMOUS_OWNER.canonical_id)
            if account is None
            else (acl.ALL_USERS, acl.AUTHENTICATED_USERS)
        )
    if acl.holds(judged, who, permission):
        return Decision(True, True, f"an ACL grants {permission}")
    return _denied(f"neither the bucket policy nor an ACL grants {permission}")


def _is_restricted(bucket: Bucket) -> bool:
    """Whether `restrict_public_buckets` shuts out other accounts, because the policy is public."""
    return (
        bucket.public_access is not None
        and bucket.public_access.restrict_public_buckets
        and bucket.policy is not None
        and policy.is_public(bucket.policy)
    )
