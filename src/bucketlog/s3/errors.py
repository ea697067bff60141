"""TABLE 2: every S3 error code, its status and message; `S3Error`, which is an answer.

One exception type for all codes: the row gives status and message, `detail` becomes extra
elements of the XML document (`<BucketName>`, `<TargetBucket>`...), in the order given.
Source: "Error responses" in the Amazon S3 API Reference; messages as the service words them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bucketlog.s3.model import Facts, Reply


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One row: the code as clients match it, the HTTP status, the message for people."""

    code: str
    status: int
    message: str


# Status, code, message; an indented line carries on the message above it.
_TABLE: Final = """
400 AccessControlListNotSupported The bucket does not allow ACLs
403 AccessDenied Access Denied
403 AccessForbidden Access Forbidden
400 AccessPointAlreadyOwnedByYou An access point with an identical name already exists in your
    account.
403 AccountProblem There is a problem with your AWS account that prevents the action from completing
    successfully. Contact AWS Support for further assistance.
403 AllAccessDisabled All access to this object has been disabled
400 AmbiguousGrantByEmailAddress The e-mail address you provided is associated with more than one
    account.
400 AuthorizationHeaderMalformed The authorization header you provided is invalid.
400 AuthorizationQueryParametersError Error parsing the X-Amz-Credential parameter.
400 BadDigest The Content-MD5 you specified did not match what we received.
400 BadRequest Bad Request
409 BucketAlreadyExists The requested bucket name is not available. The bucket namespace is shared
    by all users of the system. Please select a different name and try again.
409 BucketAlreadyOwnedByYou Your previous request to create the named bucket succeeded and you
    already own it.
400 BucketHasAccessPointsAttached The bucket you are trying to delete has access points attached.
409 BucketNotEmpty The bucket you tried to delete is not empty
412 ClientTokenConflict Your Multi-Region Access Point idempotency token was already used for a
    different request.
409 ConditionalRequestConflict The conditional request cannot succeed due to a conflicting operation
    against this resource.
409 ConnectionClosedByRequester Returned to the original caller when an error is encountered while
    reading the WriteGetObjectResponse body.
400 CredentialsNotSupported This request does not support credentials.
403 CrossLocationLoggingProhibited Cross-Region logging is not allowed.
403 CrossLocationLoggingProhibitted Cross S3 location logging not allowed.\x20
400 DeviceNotActiveError The device is not currently active.
403 EndpointNotFound Direct requests to the correct endpoint.
400 EntityTooLarge Your proposed upload exceeds the maximum allowed size
400 EntityTooSmall Your proposed upload is smaller than the minimum allowed size
400 ExpiredToken The provided token has expired.
400 IllegalLocationConstraintException The specified location constraint is incompatible for the
    region specific endpoint this request was sent to.
400 IllegalVersioningConfigurationException The Versioning element must be specified
400 IncompleteBody You did not provide the number of bytes specified by the Content-Length HTTP
    header
400 IncorrectEndpoint The specified bucket exists in another Region. Direct requests to the correct
    endpoint.
400 IncorrectNumberOfFilesInPostRequest POST requires exactly one file upload per request.
400 InlineDataTooLarge Inline data exceeds the maximum allowed size.
500 InternalError We encountered an internal error. Please try again.
403 InvalidAccessKeyId The AWS Access Key Id you provided does not exist in our records.
400 InvalidAccessPoint The specified access point name or account is not valid.
400 InvalidAccessPointAliasError The specified access point alias name is not valid.
400 InvalidAddressingHeader You must specify the Anonymous role.
400 InvalidArgument Invalid Argument
400 InvalidBucketAclWithBlockPublicAccessError Bucket cannot have public ACLs set with
    BlockPublicAccess enabled
400 InvalidBucketAclWithObjectOwnership Bucket cannot have ACLs set with ObjectOwnership's
    BucketOwnerEnforced setting
400 InvalidBucketName The specified bucket is not valid.
409 InvalidBucketOwnerAWSAccountID The value of the expected bucket owner parameter must be an AWS
    account ID.
409 InvalidBucketState The request is not valid with the current state of the bucket.
403 InvalidChunkSizeError Only the last chunk is allowed to have a size less than 8192 bytes
400 InvalidDigest The Content-MD5 you specified was invalid.
400 InvalidEncryptionAlgorithmError The encryption request you specified is not valid. The valid
    value is AES256.
400 InvalidHostHeader The host headers provided in the request used the incorrect style addressing.
400 InvalidHttpMethod The request is made using an unexpected HTTP method.
400 InvalidLocationConstraint The specified location-constraint is not valid
403 InvalidObjectState The operation is not valid for the object's storage class
400 InvalidPart One or more of the specified parts could not be found.  The part may not have been
    uploaded, or the specified entity tag may not match the part's entity tag.
416 InvalidPartNumber The requested partnumber is not satisfiable
400 InvalidPartOrder The list of parts was not in ascending order. Parts must be ordered by part
    number.
403 InvalidPayer All access to this object has been disabled
400 InvalidPolicyDocument The content of the form does not meet the conditions specified in the
    policy document.
416 InvalidRange The requested range is not satisfiable
400 InvalidRedirectLocation The website redirect location must be non-empty.
400 InvalidRegion The specified Region is not valid.
400 InvalidRequest Invalid Request
403 InvalidSecurity The provided security credentials are not valid.
400 InvalidSessionException The session doesn't exist, or it has timed out.
400 InvalidSignature The server cannot process the request because the signature is not valid.
400 InvalidSOAPRequest The SOAP request body is invalid.
400 InvalidStorageClass The storage class you specified is not valid
400 InvalidTag The tag provided was not a valid tag.
400 InvalidTargetBucketForLogging The target bucket for logging does not exist
400 InvalidToken The provided token is malformed or otherwise invalid.
400 InvalidURI Couldn't parse the specified URI.
404 InvalidVersionForKey The specified version does not exist.
400 KeyTooLongError Your key is too long
400 KMS.DisabledException The request was rejected because the specified KMS key is not enabled.
400 KMS.InvalidKeyUsageException The specified KMS key cannot be used for this operation.
400 KMS.KMSInvalidStateException The state of the specified KMS key is not valid for this request.
400 KMS.NotFoundException The specified KMS key does not exist.
400 MalformedACLError The XML you provided was not well-formed or did not validate against our
    published schema
400 MalformedPolicy Policies must be valid JSON and the first byte must be '{'
400 MalformedPolicyDocument The policy document is not valid.
400 MalformedPOSTRequest The body of your POST request is not well-formed multipart/form-data.
400 MalformedTrailerError The request contained trailing data that was not well-formed or did not
    conform to our published schema.
400 MalformedXML The XML you provided was not well-formed or did not validate against our published
    schema
400 MaxMessageLengthExceeded Your request was too big.
400 MaxPostPreDataLengthExceededError Your POST request fields preceding the upload file were too
    large.
400 MetadataTooLarge Your metadata headers exceed the maximum allowed metadata size
405 MethodNotAllowed The specified method is not allowed against this resource.
400 MissingAttachment A SOAP attachment was expected, but none were found.
403 MissingAuthenticationToken The request was not signed.
411 MissingContentLength You must provide the Content-Length HTTP header.
400 MissingRequestBodyError Request Body is empty
400 MissingSecurityElement The SOAP 1.1 request is missing a security element.
400 MissingSecurityHeader Your request was missing a required header
409 MultipleRegionsInProgress Another request for this Multi-Region Access Point is in progress.
400 NoLoggingStatusForKey There is no such thing as a logging status subresource for a key.
404 NoSuchAccessPoint The specified access point does not exist.
404 NoSuchAsyncRequest The specified request was not found.
404 NoSuchBucket The specified bucket does not exist
404 NoSuchBucketPolicy The bucket policy does not exist
404 NoSuchConfiguration The specified configuration does not exist.
404 NoSuchCORSConfiguration The CORS configuration does not exist
404 NoSuchKey The specified key does not exist.
404 NoSuchLifecycleConfiguration The lifecycle configuration does not exist
404 NoSuchMultiRegionAccessPoint The specified Multi-Region Access Point does not exist.
404 NoSuchObjectLockConfiguration The specified object does not have a ObjectLock configuration
404 NoSuchPublicAccessBlockConfiguration The public access block configuration was not found
404 NoSuchResource The specified resource does not exist.
404 NoSuchTagSet The TagSet does not exist
404 NoSuchTagSetError There is no tag set associated with the bucket.
404 NoSuchUpload The specified upload does not exist. The upload ID may be invalid, or the upload
    may have been aborted or completed.
404 NoSuchVersion The specified version does not exist.
404 NoSuchWebsiteConfiguration The specified bucket does not have a website configuration
403 NotDeviceOwnerError The device that generated the token is not owned by the authenticated user.
501 NotImplemented A header you provided implies functionality that is not implemented
304 NotModified Not Modified
403 NotSignedUp Your account is not signed up for the S3 service. You must sign up before you can
    use S3.
404 ObjectLockConfigurationNotFoundError Object Lock configuration does not exist for this bucket
400 ObjectNotAppendable The object is not appendable.
409 OperationAborted A conflicting conditional operation is currently in progress against this
    resource. Please try again.
404 OwnershipControlsNotFoundError The bucket ownership controls were not found
301 PermanentRedirect The bucket you are attempting to access must be addressed using the specified
    endpoint. Please send all future requests to this endpoint.
412 PreconditionFailed At least one of the pre-conditions you specified did not hold
307 Redirect Please re-send this request to the specified temporary endpoint. Continue to use the
    original request endpoint for future requests.
404 ReplicationConfigurationNotFoundError The replication configuration was not found
400 RequestHeaderSectionTooLarge Your request header section exceeds the maximum allowed size.
400 RequestIsNotMultiPartContent Bucket POST must be of the enclosure-type multipart/form-data.
400 RequestTimeout Your socket connection to the server was not read from or written to within the
    timeout period. Idle connections will be closed.
403 RequestTimeTooSkewed The difference between the request time and the current time is too large.
400 RequestTorrentOfBucketError Requesting the torrent file of a bucket is not permitted.
400 ResponseInterrupted The response was interrupted.
409 RestoreAlreadyInProgress Object restore is already in progress
400 ServerSideEncryptionConfigurationNotFoundError The server side encryption configuration was not
    found
503 ServiceUnavailable Service is unable to handle request.
403 SignatureDoesNotMatch The request signature we calculated does not match the signature you
    provided. Check your key and signing method.
503 SlowDown Please reduce your request rate.
307 TemporaryRedirect Please re-send this request to the specified temporary endpoint. Continue to
    use the original request endpoint for future requests.
400 TokenCodeInvalidError The serial number and/or token code you provided is not valid.
400 TokenRefreshRequired The provided token must be refreshed.
400 TooManyAccessPoints You have attempted to create more access points than are allowed.
400 TooManyBuckets You have attempted to create more buckets than allowed
400 TooManyParts You have attempted to create more parts than are allowed.
400 TransferNotStarted The transfer has not started.
403 UnauthorizedAccess The provided token does not allow access in this Region.
401 UnauthorizedAccessError The request is not authorized.
400 UnexpectedContent This request contains unsupported content.
409 UnexpectedIPError This request was rejected because the IP was unexpected.
400 UnresolvableGrantByEmailAddress The e-mail address you provided does not match any account on
    record.
400 UnsupportedArgument A request contained an unsupported argument.
400 UnsupportedSignature The provided request is signed with an unsupported STS Token version or the
    signature version is not supported.
400 UserKeyMustBeSpecified The bucket POST must contain the specified field name. If it is
    specified, check the order of the fields.
400 XAmzContentChecksumMismatch The provided 'x-amz-checksum' header does not match what was
    computed.
400 XAmzContentSHA256Mismatch The provided 'x-amz-content-sha256' header does not match what was
    computed.
"""


def _parsed(table: str) -> dict[str, ErrorCode]:
    rows = (row.split(" ", 2) for row in table.strip().replace("\n    ", " ").splitlines())
    return {code: ErrorCode(code, int(status), message) for status, code, message in rows}


ERRORS: Final = _parsed(_TABLE)


class S3Error(Exception):
    """A client's mistake, or a refusal, in Amazon's words.

    `code` is a row of the table; `message` overrides the row's; `detail` values become elements
    of the error document, named as given. Two details are headers and no elements: `Allow` and
    `Location`. A code that isn't in the table is our own mistake: it answers as InternalError
    would, status 500, so that it is seen and nothing else breaks.

    `NotModified` is the one answer without a document: all its details are headers (ETag,
    Last-Modified).
    """

    def __init__(self, code: str, message: str | None = None, **detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.detail = detail

    @property
    def status(self) -> int:
        """The HTTP status of the code's row."""
        row = ERRORS.get(self.code)
        return 500 if row is None else row.status

    @property
    def text(self) -> str:
        """The message given, or that of the code's row."""
        if self.message is not None:
            return self.message
        return ERRORS.get(self.code, ERRORS["InternalError"]).message

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


_HEADER_DETAILS: Final = frozenset({"Allow", "Location"})
# After these S3 closes nothing but asks for patience; SDKs honour it (RFC 9110 section 10.2.3).
_RETRY_AFTER: Final = {"SlowDown": "1", "ServiceUnavailable": "1"}


def reply(error: S3Error, *, resource: str, request_id: str, host_id: str) -> Reply:
    """The answer that an error is: an XML document, or no body at all for 304.

    `resource` is the path of the bucket or object concerned, as in "/bucket/key". The document's
    elements are Code, Message, the details in the order given, Resource, RequestId, HostId.
    A character that XML 1.0 can't hold is U+FFFD in it: a client must be able to read the code.
    """
    status = error.status
    detail = error.detail
    if status == 304:  # no failure: S3 logs no error code for it either
        return Reply(status, dict(detail))
    headers = {name: value for name, value in detail.items() if name in _HEADER_DETAILS}
    if error.code in _RETRY_AFTER:
        headers["Retry-After"] = _RETRY_AFTER[error.code]
    if error.code == "InvalidRange" and "ActualObjectSize" in detail:
        headers["Content-Range"] = f"bytes */{detail['ActualObjectSize']}"  # RFC 9110 15.5.17
    headers["Content-Type"] = "application/xml"
    extra = "".join(
        f"<{name}>{_escaped(value)}</{name}>"
        for name, value in detail.items()
        if name not in _HEADER_DETAILS
    )
    # A detail that S3 prints itself (Resource of some codes) isn't printed twice.
    where = "" if "Resource" in detail else f"<Resource>{_escaped(resource)}</Resource>"
    document = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{_escaped(error.code)}</Code><Message>{_escaped(error.text)}</Message>"
        f"{extra}{where}<RequestId>{request_id}</RequestId><HostId>{host_id}</HostId></Error>"
    )
    return Reply(status, headers, document.encode(), Facts(error_code=error.code))


_SPECIAL: Final = re.compile("[&<>\"'\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ENTITIES: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
    "\r": "&#13;",
}


def _escape(match: re.Match[str]) -> str:
    return _ENTITIES.get(match.group(), "\ufffd")


def _escaped(text: str) -> str:
    return _SPECIAL.sub(_escape, text)
