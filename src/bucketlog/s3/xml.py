"""Request and response documents, and what all of them are made with.

Reading is strict and safe: no document type, no entities, no deep nesting; the caller bounds the
length. Elements are known by their local names, in Amazon's namespaces or in none. Writing is
plain text, because a listing of a thousand keys must be cheap. Listings are in `listings`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.ElementTree import DefusedXMLParser

from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Owner, Ownership, PublicAccessBlock

TYPE: Final = "application/xml"
NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
# The SDKs send the first, examples in the User Guide have the second, some clients none.
_NAMESPACES: Final = frozenset({NAMESPACE, "http://doc.s3.amazonaws.com/2006-03-01", ""})
MAX_DEPTH: Final = 32
MAX_DELETED_KEYS: Final = 1000
MAX_KEY_BYTES: Final = 1024
MAX_PART_NUMBER: Final = 10_000


# --- Reading ---


class _Tree:
    """Builds elements with local names, and refuses to go deep."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("too deep")
        if self._depth == 1:
            namespace = tag[1:].partition("}")[0] if tag[0] == "{" else ""
            if namespace not in _NAMESPACES:
                raise ValueError(namespace)
        self._builder.start(tag.rpartition("}")[2], attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(tag.rpartition("}")[2])

    def data(self, text: str) -> None:
        self._builder.data(text)

    def close(self) -> Element:
        return self._builder.close()


def parse(data: bytes, root: str) -> Element:
    """The root element of a document, which must be called `root`.

    Tags are local names, without namespaces; attributes keep theirs. Raises `S3Error`
    (MalformedXML) for anything that isn't such a document.
    """
    parser = DefusedXMLParser(target=_Tree(), forbid_dtd=True)
    try:
        parser.feed(data)
        found: Element = parser.close()
    except (ParseError, ValueError, LookupError):  # LookupError: an encoding nobody knows
        raise S3Error("MalformedXML") from None
    if found.tag != root:
        raise S3Error("MalformedXML")
    return found


def children(parent: Element, *names: str) -> Iterator[Element]:
    """The child elements in order. Raises `S3Error` at one that is called anything else."""
    for element in parent:
        if element.tag not in names:
            raise S3Error("MalformedXML")
        yield element


def child(parent: Element, name: str) -> Element | None:
    """The one child called `name`, or None. Raises `S3Error` when there are several."""
    found = parent.findall(name)
    if len(found) > 1:
        raise S3Error("MalformedXML")
    return found[0] if found else None


def text(parent: Element, name: str) -> str | None:
    """The text of the one child called `name`, "" if it is empty, None if there is none.

    It is exact: blanks around a key belong to the key. Raises `S3Error` (MalformedXML).
    """
    element = child(parent, name)
    if element is None:
        return None
    if len(element):
        raise S3Error("MalformedXML")
    return element.text or ""


def required(parent: Element, name: str) -> str:
    """As `text`, but the child must be there."""
    found = text(parent, name)
    if found is None:
        raise S3Error("MalformedXML")
    return found


def boolean(parent: Element, name: str) -> bool | None:
    """A child that says true or false; None where there is none."""
    found = text(parent, name)
    if found is None:
        return None
    try:
        return {"true": True, "false": False}[found.strip().lower()]
    except KeyError:
        raise S3Error("MalformedXML") from None


# --- Writing ---

_SPECIAL: Final = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def _reference(match: re.Match[str]) -> str:
    character = match.group()
    return _ENTITIES.get(character) or f"&#x{ord(character):x};"


def escape(value: str) -> str:
    """Text or an attribute's value as it is written.

    A character that XML 1.0 can't hold becomes a numeric reference, as S3 writes it; many
    parsers refuse the document, and encoding-type=url is the way around it for a client.
    """
    return value if _SPECIAL.search(value) is None else _SPECIAL.sub(_reference, value)


def leaf(name: str, value: str | int | bool | None) -> str:
    """An element that holds one value, as text; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"<{name}>{escape(value)}</{name}>"
    return f"<{name}>{str(value).lower()}</{name}>"


def document(root: str, content: str, namespace: str = NAMESPACE) -> bytes:
    """A whole document around the content given as text."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<{root} xmlns="{namespace}">{content}</{root}>'.encode()


def element(name: str, /, *content: Element | str | None, **attributes: str) -> Element:
    """An element with children, or text, or both; None is left out."""
    made = Element(name, attributes)
    for part in content:
        if isinstance(part, str):
            made.text = (made.text or "") + part
        elif part is not None:
            made.append(part)
    return made


def render(root: Element, namespace: str = NAMESPACE) -> bytes:
    """A whole document. Tags and attribute names are written as they are ("xsi:type")."""
    return document(root.tag, _inner(root), namespace)


def _inner(parent: Element) -> str:
    pieces = [escape(parent.text)] if parent.text else []
    for one in parent:
        attributes = "".join(f' {name}="{escape(value)}"' for name, value in one.items())
        pieces.append(f"<{one.tag}{attributes}>{_inner(one)}</{one.tag}>")
    return "".join(pieces)


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def instant(at: int) -> str:
    """Nanoseconds as ISO 8601 with milliseconds, which S3 always writes as 000."""
    return _second(at // 1_000_000_000)


def owner(name: str, who: Owner | tuple[str, str] | None) -> str:
    """An Owner or Initiator: an account, or an id and the name people know it by."""
    if who is None:
        return ""
    identity, shown = who if isinstance(who, tuple) else (who.canonical_id, who.name)
    return f"<{name}>{leaf('ID', identity)}{leaf('DisplayName', shown)}</{name}>"


def checksum(stored: str | None) -> str:
    """The elements of a checksum given as "ALGORITHM [TYPE] VALUE"."""
    if stored is None:
        return ""
    algorithm, *kind, value = stored.split(" ")
    return leaf(f"Checksum{algorithm}", value) + "".join(leaf("ChecksumType", one) for one in kind)


def quoted(etag: str) -> str:
    """An ETag element; `etag` is without quotes."""
    return f"<ETag>&quot;{etag}&quot;</ETag>"


# --- Documents of buckets ---


def list_buckets(
    who: Owner,
    buckets: Iterable[tuple[str, int, str]],
    *,
    prefix: str | None = None,
    token: str | None = None,
) -> bytes:
    """ListAllMyBucketsResult; buckets are (name, created at, Region), `token` continues it."""
    listed = "".join(
        f"<Bucket>{leaf('Name', name)}{leaf('CreationDate', instant(at))}"
        f"{leaf('BucketRegion', region)}</Bucket>"
        for name, at, region in buckets
    )
    content = f"{owner('Owner', who)}<Buckets>{listed}</Buckets>"
    more = leaf("ContinuationToken", token) + leaf("Prefix", prefix)
    return document("ListAllMyBucketsResult", content + more)


_REGION: Final = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d{1,2}")


def is_region(name: str) -> bool:
    """Whether a location constraint has the form of a Region's name."""
    return name == "EU" or _REGION.fullmatch(name) is not None


def location_constraint(data: bytes) -> str | None:
    """The Region that a CreateBucketConfiguration names, None if it names none."""
    root = parse(data, "CreateBucketConfiguration")
    for one in children(root, "LocationConstraint", "Location", "Bucket", "Tags"):
        if one.tag != "LocationConstraint":  # of directory buckets, and tags at creation
            raise S3Error("NotImplemented", f"{one.tag} is not implemented for this bucket type.")
    return (text(root, "LocationConstraint") or "").strip() or None


def location(region: str | None) -> bytes:
    """The LocationConstraint that GetBucketLocation answers; None for us-east-1."""
    return document("LocationConstraint", escape(region or ""))


def ownership_controls(setting: Ownership) -> bytes:
    """OwnershipControls."""
    rule = leaf("ObjectOwnership", setting.value)
    return document("OwnershipControls", f"<Rule>{rule}</Rule>")


def parse_ownership_controls(data: bytes) -> Ownership:
    """What an OwnershipControls document sets."""
    root = parse(data, "OwnershipControls")
    rules = list(children(root, "Rule"))
    if len(rules) != 1:
        raise S3Error("MalformedXML")
    try:
        return Ownership(required(rules[0], "ObjectOwnership").strip())
    except ValueError:
        raise S3Error("MalformedXML") from None


_SWITCHES: Final = {
    "BlockPublicAcls": "block_public_acls",
    "IgnorePublicAcls": "ignore_public_acls",
    "BlockPublicPolicy": "block_public_policy",
    "RestrictPublicBuckets": "restrict_public_buckets",
}


def public_access_block(block: PublicAccessBlock) -> bytes:
    """PublicAccessBlockConfiguration."""
    content = "".join(leaf(name, getattr(block, field)) for name, field in _SWITCHES.items())
    return document("PublicAccessBlockConfiguration", content)


def parse_public_access_block(data: bytes) -> PublicAccessBlock:
    """What a PublicAccessBlockConfiguration document sets; a switch not named is off."""
    root = parse(data, "PublicAccessBlockConfiguration")
    if not list(children(root, *_SWITCHES)):
        raise S3Error("InvalidRequest", "Must specify at least one configuration.")
    return PublicAccessBlock(
        **{field: boolean(root, name) or False for name, field in _SWITCHES.items()}
    )


def policy_status(is_public: bool) -> bytes:
    """PolicyStatus; S3 writes its booleans in capitals here, but takes and documents both."""
    return document("PolicyStatus", leaf("IsPublic", is_public))


# --- Documents of objects ---


def copy_result(root: str, etag: str, modified_at: int, stored: str | None = None) -> bytes:
    """CopyObjectResult or CopyPartResult; `stored` is a checksum as `checksum` takes it."""
    content = f"{leaf('LastModified', instant(modified_at))}{quoted(etag)}{checksum(stored)}"
    return document(root, content)


def initiated(bucket: str, key: str, upload_id: str) -> bytes:
    """InitiateMultipartUploadResult."""
    content = leaf("Bucket", bucket) + leaf("Key", key) + leaf("UploadId", upload_id)
    return document("InitiateMultipartUploadResult", content)


def completed(
    bucket: str, key: str, etag: str, stored: str | None = None, address: str = ""
) -> bytes:
    """CompleteMultipartUploadResult; `address` is the URL of the new object."""
    content = leaf("Location", address) + leaf("Bucket", bucket) + leaf("Key", key)
    return document("CompleteMultipartUploadResult", content + quoted(etag) + checksum(stored))


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """One part that a CompleteMultipartUpload names.

    `etag` is without quotes. `checksums` are base64 values by algorithm, as in "CRC32".
    """

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)


def parse_complete(data: bytes) -> list[CompletedPart]:
    """The parts that a CompleteMultipartUpload document names, in its order."""
    root = parse(data, "CompleteMultipartUpload")
    parts = [_completed_part(one) for one in children(root, "Part")]
    if not parts or len(parts) > MAX_PART_NUMBER:
        raise S3Error("MalformedXML")
    return parts


def _completed_part(part: Element) -> CompletedPart:
    number = required(part, "PartNumber").strip()
    if not (number.isascii() and number.isdigit()):
        raise S3Error("MalformedXML")
    if len(number) > 9 or not 1 <= int(number) <= MAX_PART_NUMBER:
        message = f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive"
        raise S3Error("InvalidArgument", message, ArgumentName="partNumber", ArgumentValue=number)
    checksums = {
        one.tag.removeprefix("Checksum"): (one.text or "").strip()
        for one in part
        if one.tag.startswith("Checksum")
    }
    return CompletedPart(int(number), required(part, "ETag").strip().strip('"'), checksums)


def parse_delete(data: bytes) -> tuple[bool, list[tuple[str, str | None, dict[str, str]]]]:
    """Whether a Delete document wants silence, and its objects: key, version id, conditions.

    The conditions are the headers that would say the same in a DeleteObject request.
    """
    root = parse(data, "Delete")
    objects = [
        (_key(one), text(one, "VersionId") or None, _conditions(one))
        for one in children(root, "Object", "Quiet")
        if one.tag == "Object"
    ]
    if not 1 <= len(objects) <= MAX_DELETED_KEYS:
        raise S3Error("MalformedXML")
    return boolean(root, "Quiet") or False, objects


def _key(one: Element) -> str:
    key = required(one, "Key")
    if not key:
        raise S3Error("MalformedXML")
    size = len(key.encode())
    if size > MAX_KEY_BYTES:
        raise S3Error("KeyTooLongError", Size=str(size), MaxSizeAllowed=str(MAX_KEY_BYTES))
    return key


_CONDITION_HEADERS: Final = {
    "ETag": "if-match",
    "LastModifiedTime": "x-amz-if-match-last-modified-time",
    "Size": "x-amz-if-match-size",
}


def _conditions(one: Element) -> dict[str, str]:
    found = {header: text(one, name) for name, header in _CONDITION_HEADERS.items()}
    return {header: value.strip() for header, value in found.items() if value is not None}


def deleted(
    results: Iterable[tuple[str, str | None, S3Error | None]], *, quiet: bool = False
) -> bytes:
    """DeleteResult; results are key, version id and what went wrong, in request order.

    With `quiet` only what went wrong is told.
    """
    pieces = []
    for key, version_id, error in results:
        what = leaf("Key", key) + leaf("VersionId", version_id)
        if error is not None:
            told = leaf("Code", error.code) + leaf("Message", error.text)
            pieces.append(f"<Error>{what}{told}</Error>")
        elif not quiet:
            pieces.append(f"<Deleted>{what}</Deleted>")
    return document("DeleteResult", "".join(pieces))
