"""TABLE 3: every field of a server access log record, in order; `LogRecord`, one record typed.

Encoding, the Arrow schema, `explain` and the reference page of the docs read this table, so a
field is described here and nowhere else. Nothing is formatted here: dashes, quotes and brackets
belong to `line`.

Source: Amazon S3 User Guide, "Amazon S3 server access log format". Amazon appends fields and
never inserts or reorders them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record.

    `name` is Amazon's name in snake_case and the attribute of `LogRecord`; `title` is the name as
    Amazon prints it. `unit` is "" where there is none. `is_quoted` fields stand in double quotes.
    `since` is when the field first appeared in records. `meaning` is one sentence for the docs,
    `dash` says what a hyphen in its place means.
    """

    name: str
    title: str
    type: Literal["text", "int", "time", "bool"]
    unit: str
    is_quoted: bool
    since: str
    meaning: str
    dash: str


def _row(
    name: str,
    title: str,
    meaning: str,
    dash: str,
    since: str = "2006",
    *,
    type: Literal["text", "int", "time", "bool"] = "text",  # the column's name in the table
    unit: str = "",
    is_quoted: bool = False,
) -> Field:
    return Field(name, title, type, unit, is_quoted, since, meaning, dash)


FIELDS: tuple[Field, ...] = (
    _row(
        "bucket_owner",
        "Bucket Owner",
        "The canonical user ID of the owner of the bucket.",
        "Never a hyphen.",
    ),
    _row(
        "bucket",
        "Bucket",
        "The bucket that the request was processed against.",
        "Never a hyphen.",
    ),
    _row(
        "time",
        "Time",
        "When the request was received, in UTC, to the second.",
        "Never a hyphen.",
        type="time",
        unit="ns",
    ),
    _row(
        "remote_ip",
        "Remote IP",
        "The apparent IP address of whoever made the request.",
        "An AWS service or a lifecycle rule acted; there was no client address.",
    ),
    _row(
        "requester",
        "Requester",
        "Who made the request: a canonical user ID, the ARN of a user or role, or a service.",
        "The request was anonymous, or its authentication failed.",
    ),
    _row(
        "request_id",
        "Request ID",
        "The ID of the request, also sent to the client as x-amz-request-id.",
        "Never a hyphen.",
    ),
    _row(
        "operation",
        "Operation",
        "What was asked for: the interface, the HTTP method and the resource.",
        "Never a hyphen.",
    ),
    _row(
        "key",
        "Key",
        "The object's name, URL-encoded in the line.",
        "The operation takes no key.",
    ),
    _row(
        "request_uri",
        "Request-URI",
        "The request line as it was received: method, target, protocol.",
        "No request line belongs to this record.",
        is_quoted=True,
    ),
    _row(
        "http_status",
        "HTTP status",
        "The status code of the response.",
        "No response belongs to this record, or its status is not known.",
        type="int",
    ),
    _row(
        "error_code",
        "Error Code",
        "The S3 error code of the response.",
        "No error occurred.",
    ),
    _row(
        "bytes_sent",
        "Bytes Sent",
        "Bytes of the response's body that were sent, without HTTP's own overhead.",
        "Zero bytes.",
        type="int",
        unit="bytes",
    ),
    _row(
        "object_size",
        "Object Size",
        "The whole size of the object that the request was about.",
        "The request was not about an object's content, or the size is not known.",
        type="int",
        unit="bytes",
    ),
    _row(
        "total_time",
        "Total Time",
        "From the first byte of the request to the last byte of the response, at the server.",
        "No time was taken for this record.",
        type="int",
        unit="ms",
    ),
    _row(
        "turn_around_time",
        "Turn-Around Time",
        "From the last byte of the request to the first byte of the response.",
        "S3 doesn't record it for this kind of request or answer.",
        type="int",
        unit="ms",
    ),
    _row(
        "referer",
        "Referer",
        "The Referer header, as the client sent it.",
        "The client sent no Referer header.",
        is_quoted=True,
    ),
    _row(
        "user_agent",
        "User-Agent",
        "The User-Agent header, as the client sent it.",
        "The client sent no User-Agent header.",
        is_quoted=True,
    ),
    _row(
        "version_id",
        "Version Id",
        "The object version that the request named.",
        "The request named no version.",
        "2010",
    ),
    _row(
        "host_id",
        "Host Id",
        "The extended request ID, also sent to the client as x-amz-id-2.",
        "Not known.",
        "March 2019",
    ),
    _row(
        "signature_version",
        "Signature Version",
        "The signature version that authenticated the request: SigV2 or SigV4.",
        "The request was not authenticated.",
        "March 2019",
    ),
    _row(
        "cipher_suite",
        "Cipher Suite",
        "The TLS cipher that was negotiated.",
        "Plain HTTP, without TLS.",
        "March 2019",
    ),
    _row(
        "authentication_type",
        "Authentication Type",
        "Where the signature was: AuthHeader, or QueryString for a presigned URL.",
        "The request was not authenticated.",
        "March 2019",
    ),
    _row(
        "host_header",
        "Host Header",
        "The endpoint that the client connected to.",
        "No Host header belongs to this record.",
        "March 2019",
    ),
    _row(
        "tls_version",
        "TLS version",
        "The TLS version that the client negotiated.",
        "Plain HTTP, without TLS.",
        "March 2019",
    ),
    _row(
        "access_point_arn",
        "Access Point ARN",
        "The ARN of the access point that the request came through.",
        "No access point was used.",
        "2021",
    ),
    _row(
        "acl_required",
        "aclRequired",
        "Yes when only an access control list allowed the request, or the request set one.",
        "No ACL was needed to allow the request.",
        "2022",
        type="bool",
    ),
    _row(
        "source_region",
        "Source region",
        "The AWS Region that the request came from.",
        "The request came from no known AWS address, or the Region is not known.",
        "2026",
    ),
)
BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}


@dataclass(slots=True, kw_only=True)
class LogRecord:
    """One record: one attribute a field of `FIELDS`, in their order and under their names.

    None is "not known or not applicable", the hyphen of the line. `time` is nanoseconds since
    1970 UTC; the line keeps whole seconds. `key` is the object's name itself, decoded.
    `request_uri`, `referer` and `user_agent` of a record that was observed hold the raw bytes of
    the wire as latin-1. Treat a record as a value; it isn't frozen only because freezing would
    double the cost of making it.
    """

    bucket_owner: str | None = None
    bucket: str | None = None
    time: int | None = None
    remote_ip: str | None = None
    requester: str | None = None
    request_id: str | None = None
    operation: str | None = None
    key: str | None = None
    request_uri: str | None = None
    http_status: int | None = None
    error_code: str | None = None
    bytes_sent: int | None = None
    object_size: int | None = None
    total_time: int | None = None
    turn_around_time: int | None = None
    referer: str | None = None
    user_agent: str | None = None
    version_id: str | None = None
    host_id: str | None = None
    signature_version: str | None = None
    cipher_suite: str | None = None
    authentication_type: str | None = None
    host_header: str | None = None
    tls_version: str | None = None
    access_point_arn: str | None = None
    acl_required: bool | None = None
    source_region: str | None = None
