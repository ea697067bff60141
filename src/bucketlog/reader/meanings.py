"""What each field of a record means in that record, in plain words; and the record's story.

One function a field, under the field's name; each is given the whole record, because a field's
meaning depends on its neighbours. `wording` holds the tables of words. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bucketlog.accesslog import line, vocabulary
from bucketlog.accesslog.record import Field, LogRecord
from bucketlog.reader import wording

UNKNOWN_FIELD = (
    "A field newer than this version of bucketlog. Amazon adds fields at the end of the line."
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CANONICAL_ID_LENGTH = 64


def of(field: Field, record: LogRecord) -> str:
    """What a field of `FIELDS` means in this record."""
    return _TELLERS[field.name](record)


def summary(record: LogRecord) -> str:
    """Who did what, when, and how it went, in a sentence or two."""
    who = wording.caller(record)
    did = wording.deed(record)
    return f"On {_moment(record)}, {who} {did}. {wording.outcome(record)}"


# ── who, where, when ────────────────────────────────────────────────────────────────────────────


def _bucket_owner(record: LogRecord) -> str:
    return "The canonical user ID of the account that owns the bucket."


def _bucket(record: LogRecord) -> str:
    if record.operation == "REST.COPY.OBJECT_GET":
        return "The bucket that the copy was read from, and whose log this record belongs to."
    return "The bucket that was asked for, and whose log this record belongs to."


def _time(record: LogRecord) -> str:
    what = "S3 acted" if wording.is_own(record) else "the request was received"
    return f"{_moment(record)}: when {what}."


def _moment(record: LogRecord) -> str:
    assert record.time is not None  # a line without a time is no record
    moment = _EPOCH + timedelta(seconds=record.time // 1_000_000_000)
    day = f"{wording.DAYS[moment.weekday()]} {moment.day} {wording.MONTHS[moment.month - 1]}"
    return f"{day} {moment.year}, {moment:%H:%M:%S} UTC"


def _remote_ip(record: LogRecord) -> str:
    if record.remote_ip is None:
        return "The hyphen means that no client called: S3 itself or an AWS service acted."
    return wording.address(record.remote_ip)


def _requester(record: LogRecord) -> str:
    name = record.requester
    if name is None:
        if record.error_code in wording.FAILED_AUTHENTICATION:
            return (
                "The hyphen means that the caller is not known: the request was signed, but its "
                f"authentication failed ({record.error_code})."
            )
        return "The hyphen means that the caller was not authenticated: an anonymous request."
    if name == "AmazonS3":
        return "S3 itself, carrying out a lifecycle rule or a batch job of the bucket."
    if name.startswith("svc:"):
        return f"The AWS service {name.removeprefix('svc:')}, acting for the account."
    if name == record.bucket_owner:
        return "The account that owns the bucket, signed with its root user's keys."
    if len(name) == _CANONICAL_ID_LENGTH and ":" not in name:
        return (
            "The canonical user ID of another account: its root user, or an origin access "
            "identity of CloudFront."
        )
    return wording.principal(name) or "Who signed the request."


def _request_id(record: LogRecord) -> str:
    shared = ""
    operation = record.operation or ""
    if operation == "S3.COMPUTE.OBJECT.CHECKSUM":
        return "The ID of the batch job that computed the checksum."
    if operation.startswith("BATCH.") or operation.endswith("MULTI_OBJECT_DELETE"):
        shared = " All records of one batch delete share it."
    elif operation.startswith("REST.COPY."):
        shared = " Both records of one copy share it."
    return f"The request's ID, which the client got as x-amz-request-id.{shared}"


# ── what was asked ──────────────────────────────────────────────────────────────────────────────


def _operation(record: LogRecord) -> str:
    return wording.operation(record)


def _key(record: LogRecord) -> str:
    if record.key is None:
        return "The hyphen means that the operation is not about one object."
    written = line.encode_key(record.operation, record.key)
    if written == record.key:
        return "The object's name."
    return f"The object's name, URL-encoded for the log. Decoded it is {record.key!r}."


def _request_uri(record: LogRecord) -> str:
    if record.request_uri is None:
        if wording.is_part(record):
            return "The hyphen: the request line is in the record of the request itself."
        return "The hyphen means that no request from outside was behind this."
    return wording.request_line(record)


# ── what came of it ─────────────────────────────────────────────────────────────────────────────


def _http_status(record: LogRecord) -> str:
    if record.http_status is None:
        if wording.is_own(record):
            return "The hyphen: there was no HTTP request, so there is no answer."
        return "The hyphen means that the outcome is not known."
    return wording.status(record.http_status, record)


def _error_code(record: LogRecord) -> str:
    if record.error_code is None:
        if record.http_status is not None and record.http_status >= 400:
            return "The hyphen: no error code was noted, though the status is an error."
        return "The hyphen means that there was no error."
    gloss = wording.ERRORS.get(record.error_code)
    if gloss is not None:
        return gloss
    words = vocabulary.message(record.error_code)
    return f"S3 says: {words}" if words else "The error code of the answer."


def _bytes_sent(record: LogRecord) -> str:
    sent, size, status = record.bytes_sent, record.object_size, record.http_status
    method = (record.operation or "").split(".")[1:2]
    if sent is None:
        return f"The hyphen means that no body was sent{wording.no_body(record)}."
    amount = f"{wording.size(sent)} of body"
    if record.error_code is not None or (status is not None and status >= 400):
        if method == ["HEAD"]:
            return f"{_capital(amount)}: the error document's length. HEAD itself sends no body."
        return f"{_capital(amount)}: the error document."
    if size is None or method != ["GET"]:
        return f"{_capital(amount)}: the answer's document."
    if sent == size:
        return f"{_capital(amount)}: the whole object."
    share = f"{100 * sent / size:.1f} % of the object" if size else "more than the object"
    if status == 206:
        return f"{_capital(amount)}, {share}: the range asked for, or as much as the client took."
    return f"{_capital(amount)}, {share}: the client hung up before the end."


def _object_size(record: LogRecord) -> str:
    size = record.object_size
    if size is None:
        if record.key is None:
            return "The hyphen: the request was not about an object's content."
        return "The hyphen: no object's content was involved, or its size is not known."
    if size == 0:
        return "0 bytes: an empty object."
    whole = wording.size(size)
    operation = record.operation or ""
    if ".DELETE." in operation or operation == "S3.EXPIRE.OBJECT":
        return f"{whole}: the size of what was deleted."
    if operation.startswith("REST.PUT."):
        return f"{whole}: what was stored."
    return f"{whole}: the whole size of the object."


def _total_time(record: LogRecord) -> str:
    if record.total_time is None:
        if wording.is_own(record):
            return "The hyphen: nobody was waiting for an answer."
        return f"The hyphen: {_elsewhere(record) or 'the time is not known'}."
    return (
        f"{_capital(wording.duration(record.total_time))}, from the request's first byte to the "
        "answer's last, seen from the server."
    )


def _turn_around_time(record: LogRecord) -> str:
    turn_around, total = record.turn_around_time, record.total_time
    if turn_around is None:
        if wording.is_own(record):
            return "The hyphen: nobody was waiting for an answer."
        usual = "S3 notes this time only for some requests, and only when they succeed"
        return f"The hyphen: {_elsewhere(record) or usual}."
    text = f"{wording.duration(turn_around)} from the request's end to the answer's first byte"
    if total is None or total <= turn_around:
        return f"{text}."
    rest = wording.duration(total - turn_around)
    return f"{text}; the other {rest} went into receiving the request and sending the answer."


# ── the client ──────────────────────────────────────────────────────────────────────────────────


def _referer(record: LogRecord) -> str:
    if record.referer is None:
        return f"The hyphen: {_elsewhere(record) or 'the client sent no Referer header'}."
    if record.referer.startswith("https://hadoop.apache.org/audit/"):
        return "Not a page: Hadoop's S3A client writes here which of its operations this was."
    return "The page that linked to or embedded the object, as the client claims."


def _user_agent(record: LogRecord) -> str:
    if record.user_agent is None:
        return f"The hyphen: {_elsewhere(record) or 'the client sent no User-Agent header'}."
    if record.user_agent == "":
        return "The client sent an empty User-Agent header."
    return f"{wording.client(record.user_agent)}, as the client claims."


def _version_id(record: LogRecord) -> str:
    if record.version_id is None:
        if record.key is None:
            return "The hyphen means that no version of an object was named."
        return "The hyphen means that no version was named, so the current one was meant."
    if wording.is_own(record):
        return "The version that S3 acted on."
    return "The version of the object that the request named."


def _host_id(record: LogRecord) -> str:
    if record.host_id is None:
        return "The hyphen: not known."
    return "The extended request ID (x-amz-id-2). With the Request ID, support can find the call."


# ── how it was sent ─────────────────────────────────────────────────────────────────────────────


def _signature_version(record: LogRecord) -> str:
    if record.signature_version is None:
        return "The hyphen means that nothing was authenticated by a signature."
    if record.signature_version == "SigV2":
        return "Signature Version 2, which is deprecated: this client ought to be updated."
    if record.signature_version == "SigV4":
        return "Signature Version 4, the current way to sign requests."
    return "The signature version that authenticated the request."


def _cipher_suite(record: LogRecord) -> str:
    if record.cipher_suite is None:
        return f"The hyphen: {wording.no_tls(record)}."
    return "The cipher that client and server agreed on for this connection."


def _authentication_type(record: LogRecord) -> str:
    if record.authentication_type is None:
        return "The hyphen means that the request was not authenticated."
    if record.authentication_type == "AuthHeader":
        return "The signature was in the Authorization header, as SDKs and tools do it."
    if record.authentication_type == "QueryString":
        return "The signature was in the URL: a presigned URL. Whoever has the URL can use it."
    return "Where the signature was."


def _host_header(record: LogRecord) -> str:
    return wording.endpoint(record)


def _tls_version(record: LogRecord) -> str:
    version = record.tls_version
    if version is None:
        return f"The hyphen: {wording.no_tls(record)}."
    if version.upper() in ("TLSV1", "TLSV1.0", "TLSV1.1"):
        return "An outdated TLS version: this client ought to be updated."
    return "The connection was encrypted with TLS, in a version that is up to date."


def _access_point_arn(record: LogRecord) -> str:
    if record.access_point_arn is None:
        return "The hyphen means that the request did not come through an access point."
    return "The access point that the request came through."


def _acl_required(record: LogRecord) -> str:
    if record.acl_required:
        return (
            "An access control list (ACL) decided: ownership and policy alone would not have "
            "allowed this, or the request itself set an ACL."
        )
    return "The hyphen means that no access control list (ACL) was needed."


def _source_region(record: LogRecord) -> str:
    if record.source_region is None:
        if wording.is_own(record):
            return "The hyphen: no client was involved."
        return "The hyphen: the client's address is not one of AWS's, or its Region is not known."
    return "The AWS Region that the request came from."


def _elsewhere(record: LogRecord) -> str | None:
    """Why something that belongs to a request isn't in this record."""
    if wording.is_own(record):
        return "no client was involved"
    return "see the record of the request itself" if wording.is_part(record) else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_TELLERS: dict[str, Callable[[LogRecord], str]] = {
    "bucket_owner": _bucket_owner,
    "bucket": _bucket,
    "time": _time,
    "remote_ip": _remote_ip,
    "requester": _requester,
    "request_id": _request_id,
    "operation": _operation,
    "key": _key,
    "request_uri": _request_uri,
    "http_status": _http_status,
    "error_code": _error_code,
    "bytes_sent": _bytes_sent,
    "object_size": _object_size,
    "total_time": _total_time,
    "turn_around_time": _turn_around_time,
    "referer": _referer,
    "user_agent": _user_agent,
    "version_id": _version_id,
    "host_id": _host_id,
    "signature_version": _signature_version,
    "cipher_suite": _cipher_suite,
    "authentication_type": _authentication_type,
    "host_header": _host_header,
    "tls_version": _tls_version,
    "access_point_arn": _access_point_arn,
    "acl_required": _acl_required,
    "source_region": _source_region,
}
