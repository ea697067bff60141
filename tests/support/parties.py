"""Accounts, callers, buckets and requests for tests about permissions."""

from __future__ import annotations

import json
from typing import Any

from bucketlog.s3 import acl, policy
from bucketlog.s3.acl import Acl
from bucketlog.s3.model import Bucket, Caller, Owner, Ownership, PublicAccessBlock, Request
from bucketlog.s3.policy_context import Context

ALICE = Owner("111111111111", "a" * 64, "alice")
BOB = Owner("222222222222", "b" * 64, "bob")
CAROL = Owner("333333333333", "c" * 64, "carol")
ACCOUNTS = {owner.canonical_id: owner for owner in (ALICE, BOB, CAROL)}

SIGNED = {
    "access_key": "AKIAIOSFODNN7EXAMPLE",
    "signature_version": "SigV4",
    "authentication_type": "AuthHeader",
}
NOON = 1_767_268_800_000_000_000  # 2026-01-01T12:00:00Z


def root(owner: Owner) -> Caller:
    """An account's root, signing in a header."""
    return Caller(owner, **SIGNED)


def user(owner: Owner, name: str) -> Caller:
    """An IAM user of an account, signing in a header."""
    return Caller(owner, f"arn:aws:iam::{owner.account_id}:user/{name}", **SIGNED)


def known(canonical_id: str) -> str | None:
    """The display name of one of the accounts above."""
    owner = ACCOUNTS.get(canonical_id)
    return None if owner is None else owner.name


def document(*statements: dict[str, Any], version: str | None = "2012-10-17") -> str:
    """A policy document."""
    head = {} if version is None else {"Version": version}
    return json.dumps({**head, "Statement": list(statements)})


def bucket(
    name: str = "box",
    owner: Owner = ALICE,
    *statements: dict[str, Any],
    bucket_acl: Acl | None = None,
    ownership: Ownership | None = Ownership.ENFORCED,
    block: PublicAccessBlock | None = None,
) -> Bucket:
    """A bucket, private unless told otherwise; `statements` make its policy."""
    text = document(*statements) if statements else None
    return Bucket(
        name,
        "us-east-1",
        owner,
        NOON,
        acl.private(owner) if bucket_acl is None else bucket_acl,
        None if text is None else policy.parse(text, name),
        text,
        ownership,
        block,
    )


def context(
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    *,
    ip: str | None = "192.0.2.3",
    tls: str | None = "TLSv1.3",
    now: int = NOON,
) -> Context:
    """What surrounds a request: by default a bare GET over TLS 1.3 from 192.0.2.3 at noon."""
    request = Request("GET", "/box/key", "HTTP/1.1", headers or {})
    return Context(request, now, query or {}, ip, tls is not None, tls)
