"""The words that explanations are made of: callers, deeds, outcomes, endpoints, clients.

Tables first; then small functions that turn one aspect of a record into a phrase. Pure, and
English only.
"""

from __future__ import annotations

import re
from datetime import datetime
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from urllib.parse import parse_qsl, unquote_plus

from bucketlog.accesslog import vocabulary
from bucketlog.accesslog.record import LogRecord

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

FAILED_AUTHENTICATION = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "AuthorizationQueryParametersError",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "XAmzContentSHA256Mismatch",
    }
)

# What common error codes mean for the person who looks into it; others are told in S3's words.
ERRORS = {
    "AccessDenied": "Nothing allowed this: no policy, ACL or ownership gave the caller the right, "
    "or a policy forbade it.",
    "NoSuchKey": "There is no object of that name.",
    "NoSuchBucket": "There is no bucket of that name.",
    "NoSuchVersion": "The object has no such version.",
    "NoSuchUpload": "There is no such multipart upload: completed, aborted, or never begun.",
    "NoSuchBucketPolicy": "The bucket has no policy. For a mere question that is an answer, not a "
    "fault.",
    "NoSuchLifecycleConfiguration": "The bucket has no lifecycle rules. For a mere question that "
    "is an answer, not a fault.",
    "NoSuchTagSet": "The bucket has no tags. For a mere question that is an answer, not a fault.",
    "SignatureDoesNotMatch": "The signature is wrong: a wrong secret key, or something changed the "
    "request on its way.",
    "InvalidAccessKeyId": "The access key is not known: mistyped, or deleted.",
    "RequestTimeTooSkewed": "The client's clock is more than 15 minutes off.",
    "ExpiredToken": "The temporary credentials had expired.",
    "SlowDown": "The caller was asked to slow down: too many requests at a time.",
    "PreconditionFailed": "A condition the client set (such as If-Match) did not hold, so nothing "
    "was done.",
    "InvalidRange": "The range that was asked for lies beyond the object's end.",
    "MethodNotAllowed": "This can't be done with this method to this thing.",
    "BucketNotEmpty": "The bucket still holds objects, so it was not deleted.",
    "InternalError": "Something failed inside the store; a client should try again.",
}

# Operations that have no API action behind them.
_OWN_OPERATIONS = {
    "BATCH.DELETE.OBJECT": "One key of a DeleteObjects request (a batch delete).",
    "S3.EXPIRE.OBJECT": "A lifecycle rule permanently deleted an object or a version of it.",
    "S3.CREATE.DELETEMARKER": "A lifecycle rule hid an object behind a delete marker.",
    "S3.TRANSITION_SIA.OBJECT": "A lifecycle rule moved an object to Standard-IA.",
    "S3.TRANSITION_ZIA.OBJECT": "A lifecycle rule moved an object to One Zone-IA.",
    "S3.TRANSITION_INT.OBJECT": "A lifecycle rule moved an object to Intelligent-Tiering.",
    "S3.TRANSITION_GIR.OBJECT": "A lifecycle rule began to move an object to Glacier Instant "
    "Retrieval.",
    "S3.TRANSITION.OBJECT": "A lifecycle rule began to move an object to Glacier Flexible "
    "Retrieval.",
    "S3.TRANSITION_GDA.OBJECT": "A lifecycle rule began to move an object to Glacier Deep Archive.",
    "S3.DELETE.UPLOAD": "A lifecycle rule aborted an unfinished multipart upload.",
    "S3.COMPUTE.OBJECT.CHECKSUM": "A batch job computed an object's checksum.",
    "REST.COPY.OBJECT_GET": "The reading half of a CopyObject request; the writing half is a "
    "record of its own, in the log of the bucket copied to.",
    "REST.COPY.PART_GET": "The reading half of an UploadPartCopy request; the writing half is a "
    "record of its own, in the log of the bucket copied to.",
    "REST.OPTIONS.PREFLIGHT": "A browser asks, before a cross-origin request, whether it may (CORS "
    "preflight).",
    "WEBSITE.GET.OBJECT": "An object was asked for at the bucket's website endpoint.",
    "WEBSITE.HEAD.OBJECT": "An object's headers were asked for at the bucket's website endpoint.",
}
_FAMILIES = {
    "REST": "the S3 REST API",
    "SOAP": "the SOAP API of the early years",
    "WEBSITE": "the bucket's website endpoint",
    "BATCH": "one item of a batch request",
    "S3": "S3 itself",
}
_DEEDS = {
    "REST.GET.OBJECT": "asked for the object {key}",
    "REST.HEAD.OBJECT": "asked for the headers of the object {key}",
    "REST.PUT.OBJECT": "stored the object {key}",
    "REST.POST.OBJECT": "stored the object {key} with an HTML form",
    "REST.DELETE.OBJECT": "deleted the object {key}",
    "REST.COPY.OBJECT": "made the object {key} as a copy",
    "REST.COPY.OBJECT_GET": "read the object {key} for a copy",
    "REST.GET.BUCKET": "listed the objects",
    "REST.POST.MULTI_OBJECT_DELETE": "deleted several objects at once",
    "BATCH.DELETE.OBJECT": "deleted the object {key} in a batch",
    "REST.PUT.PART": "uploaded one part of the object {key}",
    "REST.POST.UPLOADS": "began a multipart upload of the object {key}",
    "REST.POST.UPLOAD": "completed the multipart upload of the object {key}",
    "REST.DELETE.UPLOAD": "aborted the multipart upload of the object {key}",
    "S3.EXPIRE.OBJECT": "deleted the object {key} by a lifecycle rule",
    "WEBSITE.GET.OBJECT": "asked for the page {key}",
}
_INFINITIVES = {
    "aborted": "abort",
    "began": "begin",
    "completed": "complete",
    "deleted": "delete",
    "listed": "list",
    "made": "make",
    "read": "read",
    "stored": "store",
    "uploaded": "upload",
}
_PRIVATE = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")
)
_CLIENTS = (
    ("aws-cli/", "The AWS command line"),
    ("Boto3/", "A Python program with boto3"),
    ("Botocore/", "A Python program with botocore"),
    ("aws-sdk-java", "A Java program with the AWS SDK"),
    ("aws-sdk-go", "A Go program with the AWS SDK"),
    ("aws-sdk-js", "A JavaScript program with the AWS SDK"),
    ("aws-sdk-rust", "A Rust program with the AWS SDK"),
    ("aws-sdk-", "A program with an AWS SDK"),
    ("S3Console/", "Amazon's S3 console"),
    ("Amazon CloudFront", "CloudFront, Amazon's content delivery network"),
    ("Hadoop", "Hadoop"),
    ("rclone/", "rclone"),
    ("s3cmd", "s3cmd"),
    ("curl/", "curl"),
    ("Wget/", "wget"),
    ("MinIO", "MinIO's client library"),
    ("python-requests/", "A Python program with requests"),
    ("Mozilla/", "A web browser, or a program that poses as one"),
)
_STATUSES = {
    200: "OK: the request succeeded.",
    204: "No Content: done, with nothing to send back.",
    206: "Partial Content: a part of the object, as the client's Range header asked.",
    301: "Moved Permanently: the bucket is at another endpoint.",
    304: "Not Modified: the client's copy is still current, so the object was not sent again.",
    307: "Temporary Redirect: the client was told to ask elsewhere for now.",
    400: "Bad Request: S3 could not accept the request as it was.",
    403: "Forbidden: the request was understood, and refused.",
    404: "Not Found: what was asked for does not exist.",
    405: "Method Not Allowed: this can't be done to this thing.",
    409: "Conflict: it clashes with the state of the bucket or object.",
    412: "Precondition Failed: a condition set by the client did not hold.",
    416: "Range Not Satisfiable: the range lies beyond the object's end.",
    500: "Internal Server Error: something failed inside the store.",
    501: "Not Implemented: the store can't do this.",
    503: "Service Unavailable: the store was too busy; clients try again.",
}


# ── amounts ─────────────────────────────────────────────────────────────────────────────────────


def size(count: int) -> str:
    """A number of bytes, and in round figures where that helps: 48,213 bytes (47.1 KiB)."""
    if count == 1:
        return "1 byte"
    plain = f"{count:,} bytes"
    if count < 1024:
        return plain
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{plain} ({count / 1024**power:.1f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]})"


def duration(milliseconds: int) -> str:
    """A time span in the unit a person would use."""
    if milliseconds < 1000:
        return "1 millisecond" if milliseconds == 1 else f"{milliseconds} milliseconds"
    seconds = milliseconds / 1000
    if seconds < 120:
        return f"{seconds:.1f} seconds"
    return f"{seconds / 60:.1f} minutes"


# ── who ─────────────────────────────────────────────────────────────────────────────────────────


def principal(name: str) -> str | None:
    """Who an ARN names, as a sentence; None for what isn't one."""
    parts = name.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return None
    account, rest = parts[4], parts[5].split("/")
    if parts[4] == "cloudfront":
        return f"CloudFront, fetching for its viewers: the {rest[-1]}."
    if rest[0] == "user":
        return f"The IAM user {rest[-1]} of account {account}."
    if rest[0] == "assumed-role" and len(rest) > 2:
        return f"The role {rest[1]} of account {account}, in the session {'/'.join(rest[2:])}."
    if rest[0] == "federated-user":
        return f"The federated user {rest[-1]} of account {account}."
    if rest[0] == "root":
        return f"The root user of account {account}."
    return None


def caller(record: LogRecord) -> str:
    """Who it was, as the subject of a sentence."""
    name = record.requester
    place = f"from {record.remote_ip}" if record.remote_ip is not None else ""
    if name is None:
        failed = record.error_code in FAILED_AUTHENTICATION
        who = "someone who could not prove who they are" if failed else "an anonymous caller"
        return f"{who}, {place}," if place else who
    if name == "AmazonS3":
        return "S3 itself"
    if name.startswith("svc:"):
        return f"the AWS service {name.removeprefix('svc:')}"
    if name == record.bucket_owner:
        who = "the root user of the bucket's account"
    else:
        who = (principal(name) or "another account.")[:-1]
        who = f"t{who[1:]}" if who.startswith("The ") else who
    return f"{who}, {place}," if place else who


# ── what ────────────────────────────────────────────────────────────────────────────────────────


def deed(record: LogRecord) -> str:
    """What was done, as the predicate of a sentence; "tried" when it failed."""
    operation_name = record.operation or ""
    phrase = _DEEDS.get(operation_name)
    place = f"in the bucket {record.bucket}"
    if phrase is None:
        names = _actions(record)
        what = names[0] if names else operation_name
        return f"called {what}{f' for {record.key}' if record.key else ''} {place}"
    return f"{_tried(phrase, record)} {place}".replace("{key}", record.key or "(unnamed)")


def _tried(phrase: str, record: LogRecord) -> str:
    """The phrase, or that it was tried, when the answer was an error."""
    verb, _, rest = phrase.partition(" ")
    if not has_failed(record) or verb not in _INFINITIVES:
        return phrase
    return f"tried to {_INFINITIVES[verb]} {rest}"


def has_failed(record: LogRecord) -> bool:
    """Whether the answer was an error."""
    return record.error_code is not None or (record.http_status or 0) >= 400


def is_own(record: LogRecord) -> bool:
    """Whether S3 acted by itself, without a request."""
    return (record.operation or "").startswith("S3.")


def is_part(record: LogRecord) -> bool:
    """Whether the request itself has another record: for a batch's key, a copy's source."""
    name = record.operation or ""
    return name.startswith("BATCH.") or (name.startswith("REST.COPY.") and name.endswith("_GET"))


def address(text: str) -> str:
    """What sort of address a client has, as a sentence."""
    try:
        found = ip_address(text)
    except ValueError:
        return "Where the request came from, as S3 saw it."
    kind = f"The IPv{found.version} address that the request came from"
    if found.is_loopback:
        return f"{kind}: the very machine that the server runs on."
    if any(found in network for network in _PRIVATE if network.version == found.version):
        return f"{kind}, in a private network."
    return f"{kind}. Proxies and NAT may hide the client behind it."


def outcome(record: LogRecord) -> str:
    """How it went, as a sentence."""
    status_code, sent = record.http_status, record.bytes_sent
    took = f" in {duration(record.total_time)}" if record.total_time is not None else ""
    if status_code is None:
        if is_own(record):
            return "Nobody asked for it at that moment: a rule or a job did it."
        return "How it ended is not known."
    if has_failed(record):
        reason = f" ({record.error_code})" if record.error_code else ""
        return f"It was answered {status_code}{reason}{took}."
    if status_code == 304:
        return f"The client's copy was still current, so nothing had to be sent{took}."
    if sent is None:
        return f"It succeeded{took}."
    return f"It succeeded: {size(sent)} were sent{took}."


def _actions(record: LogRecord) -> tuple[str, ...]:
    found = vocabulary.actions(record.operation or "", has_key=record.key is not None)
    if found == ("ListObjects", "ListObjectsV2") and record.request_uri is not None:
        return ("ListObjectsV2",) if "list-type=2" in record.request_uri else ("ListObjects",)
    return found


def operation(record: LogRecord) -> str:
    """The operation taken apart, with the name of the API action it stands for."""
    name = record.operation or ""
    if name in _OWN_OPERATIONS:
        return _OWN_OPERATIONS[name]
    family, _, rest = name.partition(".")
    method, _, resource = rest.partition(".")
    parts = f"{family} is {_FAMILIES.get(family, 'the interface')}"
    if family == "REST":
        verb = "a copy (sent as PUT)" if method == "COPY" else "the HTTP method"
        parts += f", {method} is {verb}, {resource} is the resource"
    names = _actions(record)
    if names:
        return f"The API action {' or '.join(names)}. {parts}."
    if family == "REST":
        return f"No API action has this combination; scanners try such things. {parts}."
    return f"{parts}."


def request_line(record: LogRecord) -> str:
    """The request line taken apart: style, presigning, the client's own parameters."""
    words = (record.request_uri or "").split(" ")
    if len(words) != 3:
        return "The request line as it came. It is not well-formed."
    method, target, version = words
    path, _, query = target.partition("?")
    said = [f"The request line: method {method}, what it is for, and protocol {version}."]
    if query:
        pairs = dict(parse_qsl(query, keep_blank_values=True))
        own = [
            name for name in pairs if name.lower().startswith("x-") and "amz" not in name.lower()
        ]
        if own:
            said.append(
                f"S3 ignores {', '.join(own)}: whoever made the URL put it there for the log."
            )
        if "X-Amz-Signature" in pairs:
            said.append(_presigned(pairs))
        elif "Signature" in pairs and "AWSAccessKeyId" in pairs:
            said.append("The URL is presigned, with Signature Version 2.")
    if record.bucket is not None and f"{unquote_plus(path)}/".startswith(f"/{record.bucket}/"):
        said.append("The bucket is named in the path.")
    return " ".join(said)


def _presigned(pairs: dict[str, str]) -> str:
    text = "The URL is presigned"
    key_id = pairs.get("X-Amz-Credential", "").partition("/")[0]
    if key_id:
        text += f" with access key {key_id}"
    try:
        made = datetime.strptime(pairs.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ")
        valid = duration(int(pairs.get("X-Amz-Expires", "")) * 1000)
    except ValueError:
        return f"{text}; while it is valid, whoever has it can use it."
    return f"{text} on {made:%Y-%m-%d at %H:%M:%S} UTC for {valid}; whoever had it could use it."


# ── how it went ─────────────────────────────────────────────────────────────────────────────────


def status(code: int, record: LogRecord) -> str:
    """What a status says about this record."""
    if code == 204 and record.operation == "BATCH.DELETE.OBJECT":
        return "Deleted, or there was nothing of that name to delete; S3 doesn't say which."
    if code == 204 and record.operation == "REST.DELETE.OBJECT":
        return "No Content: deleted, or there was nothing of that name to delete."
    known = _STATUSES.get(code)
    if known is not None:
        return known
    try:
        return f"{HTTPStatus(code).phrase}."
    except ValueError:
        return "The status code of the answer."


def no_body(record: LogRecord) -> str:
    """Why there was no body, to go on a sentence; empty where there is nothing to say."""
    if is_own(record):
        return ": there was no answer to send"
    if is_part(record):
        return " for this record: the answer is in the record of the request itself"
    if (record.operation or "").startswith("REST.HEAD."):
        return ": HEAD answers with headers alone"
    return ": the client has it already" if record.http_status == 304 else ""


# ── how it was sent ─────────────────────────────────────────────────────────────────────────────


def no_tls(record: LogRecord) -> str:
    """What it means that there is no TLS in this record."""
    if is_own(record):
        return "no connection was involved"
    return "plain HTTP, so anybody on the way could read and change it"


def endpoint(record: LogRecord) -> str:
    """What the Host header says about the way the request came."""
    host = record.host_header
    if host is None:
        return "The hyphen: no Host header belongs to this record."
    if ".mrap." in host:
        return "A Multi-Region Access Point, which passed the request on to this bucket."
    if "s3-website" in host:
        return "The bucket's website endpoint."
    if ".vpce" in host:
        return "An endpoint inside a private network (VPC)."
    kind = "An accelerated endpoint" if "s3-accelerate" in host else "The endpoint"
    if "dualstack" in host:
        kind += " for IPv4 and IPv6"
    if record.bucket is not None and host.startswith(f"{record.bucket}."):
        return f"{kind}, with the bucket named in it (virtual-hosted style)."
    if re.match(r"s3[.-]", host) or record.access_point_arn is None:
        return f"{kind} that the client connected to."
    return f"{kind} of an access point."


def client(user_agent: str) -> str:
    """What sort of program a User-Agent speaks of."""
    for mark, name in _CLIENTS:
        if mark in user_agent:
            return name
    return "The client program"
