"""A bucket's ACL as a table of switches: grantees, and what each may do.

As people know it from S3's console: four columns, a row for each grantee that has a name there
whether it is granted anything or not, and FULL_CONTROL as all four at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bucketlog.delivery import parties
from bucketlog.s3 import acl
from bucketlog.s3.acl import Grant, Grantee
from bucketlog.s3.model import Permission

COLUMNS: tuple[tuple[Permission, str, str], ...] = (
    ("READ", "Objects: List", "list the objects"),
    ("WRITE", "Objects: Write", "write and delete objects"),
    ("READ_ACP", "Bucket ACL: Read", "read the ACL"),
    ("WRITE_ACP", "Bucket ACL: Write", "change the ACL"),
)
ALL = frozenset(permission for permission, _, _ in COLUMNS)
NEW = "new"

_GROUPS = {
    acl.ALL_USERS: ("Everyone (public access)", "Anybody in the world, without a signature."),
    acl.AUTHENTICATED_USERS: (
        "Authenticated users group",
        "Anybody who signs, with a key of any account.",
    ),
    acl.LOG_DELIVERY: ("S3 log delivery group", "Writes access logs into this bucket."),
}
PUBLIC = frozenset((acl.ALL_USERS, acl.AUTHENTICATED_USERS))


@dataclass(frozen=True, slots=True)
class Row:
    """One grantee. `is_whole`: its four permissions are one FULL_CONTROL."""

    grantee: Grantee
    title: str
    about: str
    permissions: frozenset[Permission]
    is_whole: bool = False

    @property
    def is_public(self) -> bool:
        """Whether what it has, everyone has."""
        return self.grantee.value in PUBLIC


def rows(owner_id: str, grants: Iterable[Grant]) -> list[Row]:
    """The table: the owner, the three groups, then other accounts in their order."""
    held: dict[str, set[Permission]] = {}
    whole: set[str] = set()
    names: dict[str, Grantee] = {}
    for grant in grants:
        value = grant.grantee.value
        names.setdefault(value, grant.grantee)
        if grant.permission == "FULL_CONTROL":
            whole.add(value)
            held.setdefault(value, set()).update(ALL)
        else:
            held.setdefault(value, set()).add(grant.permission)
    order = [owner_id, *_GROUPS, *(v for v in names if v != owner_id and v not in _GROUPS)]
    found = []
    for value in order:
        if value in _GROUPS:
            grantee, (title, about) = acl.group(value), _GROUPS[value]
        else:
            grantee = names.get(value, Grantee("CanonicalUser", value))
            title = "Bucket owner" if value == owner_id else grantee.name or "Another account"
            about = value
        permissions = frozenset(held.get(value, ()))
        found.append(Row(grantee, title, about, permissions, value in whole))
    return found


def chosen(before: list[Row], fields: Mapping[str, Any]) -> list[Row]:
    """The table as a form has it: fields `NUMBER:PERMISSION` for rows, and those of a new one.

    `NEW` as the number is for the account whose canonical ID the field `grantee` gives.
    """
    found = []
    for number, row in enumerate(before):
        permissions = _checked(number, fields)
        whole = row.is_whole and permissions == ALL
        found.append(Row(row.grantee, row.title, row.about, permissions, whole))
    who = str(fields.get("grantee", "")).strip().lower()
    if who:
        grantee = Grantee("CanonicalUser", who)
        found.append(Row(grantee, "Another account", who, _checked(NEW, fields)))
    return found


def _checked(number: int | str, fields: Mapping[str, Any]) -> frozenset[Permission]:
    return frozenset(permission for permission in ALL if f"{number}:{permission}" in fields)


def elements(table: Iterable[Row]) -> list[dict[str, Any]]:
    """The grants of a table as boto3 is given them."""
    return [
        parties.element(Grant(row.grantee, permission))
        for row in table
        for permission in _held(row)
    ]


def _held(row: Row) -> list[Permission]:
    if row.is_whole:
        return ["FULL_CONTROL"]
    return [permission for permission, _, _ in COLUMNS if permission in row.permissions]


def becomes_public(before: Iterable[Row], after: Iterable[Row]) -> bool:
    """Whether everyone may more than before."""
    had = {row.grantee.value: row.permissions for row in before}
    return any(
        row.is_public and row.permissions - had.get(row.grantee.value, frozenset()) for row in after
    )


def stops_delivery(before: Iterable[Row], after: Iterable[Row]) -> bool:
    """Whether the log-delivery group loses one of the two permissions it needs."""
    needed = {"WRITE", "READ_ACP"}

    def permits(table: Iterable[Row]) -> bool:
        return any(
            row.grantee.value == acl.LOG_DELIVERY and needed <= row.permissions for row in table
        )

    return permits(before) and not permits(after)


def digest(table: Iterable[Row]) -> str:
    """Of a table as it was shown."""
    shown = [(row.grantee.value, sorted(row.permissions), row.is_whole) for row in table]
    return sha256(repr(shown).encode()).hexdigest()
