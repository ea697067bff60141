"""FlushBucketLogging: "deliver now", signed with the session's key like any other S3 call.

boto3 doesn't know the operation: it is Ceph's, `POST /BUCKET?logging`. The answer names the log
objects that were stored. Blocks, for as long as delivering takes.
"""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import quote

from bucketlog.console.s3 import Failure, translated
from bucketlog.console.sessions import Identity
from bucketlog.s3 import xml
from bucketlog.s3.errors import S3Error

_TIMEOUT_S = (5, 600)
_NOTHING = sha256(b"").hexdigest()


def deliver(identity: Identity, endpoint: str, bucket: str, region: str) -> list[str]:
    """The keys of the log objects that were stored. Raises `Failure`."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session

    request = AWSRequest(
        "POST",
        f"{endpoint}/{quote(bucket)}?logging",
        headers={"User-Agent": "bucketlog-console", "X-Amz-Content-SHA256": _NOTHING},
        data=b"",
    )
    credentials = Credentials(identity.access_key, identity.secret_key)
    S3SigV4Auth(credentials, "s3", region).add_auth(request)
    # The endpoint is this server's own, as for every other client of the console.
    session = URLLib3Session(verify=False, timeout=_TIMEOUT_S)
    try:
        with translated("FlushBucketLogging"):
            answer = session.send(request.prepare())
            body: bytes = answer.content
    finally:
        session.close()
    if answer.status_code != 200:
        raise _failure(answer.status_code, body, answer.headers.get("x-amz-request-id", ""))
    root = xml.parse(body, "FlushLoggingOutput")
    return [each.text or "" for each in xml.children(root, "FlushedLoggingObject")]


def _failure(status: int, body: bytes, request_id: str) -> Failure:
    code, message = "Unknown", ""
    try:
        root = xml.parse(body, "Error")
        code, message = xml.text(root, "Code") or code, xml.text(root, "Message") or ""
    except S3Error:
        pass
    return Failure(
        code, message, status=status, request_id=request_id, operation="FlushBucketLogging"
    )
