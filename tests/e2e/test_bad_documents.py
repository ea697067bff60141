"""Request documents that are none: Amazon's code, a record, and nothing done."""

from __future__ import annotations

import pytest
from tests.support.log import Log, judged
from tests.support.raw import Sender, still_serves

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (96 + n, b"&%c;" % (95 + n) * 10) for n in range(2, 11))
    + b"]>"
)
# What is wrong with each, around the root element that is expected.
BAD_XML = {
    "not XML": b"hello",
    "cut off": b"<%(root)s",
    "not closed": b"<%(root)s><A></%(root)s>",
    "another root": b"<Other/>",
    "two roots": b"<%(root)s/><%(root)s/>",
    "an entity bomb": BOMB + b"<%(root)s>&j;</%(root)s>",
    "a DTD": b"<!DOCTYPE %(root)s><%(root)s/>",
    "an outer entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><%(root)s>&e;</%(root)s>',
    "an outer DTD": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><%(root)s/>',
    "a parameter entity": b'<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///dev/zero"> %p;]><%(root)s/>',
    "an unknown entity": b"<%(root)s>&nope;</%(root)s>",
    "invalid UTF-8": b"<%(root)s>\xff\xfe\xfd</%(root)s>",
    "a NUL": b"<%(root)s>\x00</%(root)s>",
    "an unknown encoding": b'<?xml version="1.0" encoding="martian"?><%(root)s/>',
    "deep": b"<%(root)s>" + b"<a>" * 8_000 + b"</a>" * 8_000 + b"</%(root)s>",
}
# Sub-resource, method, root element, log name, code.
DOCUMENTS = [
    ("/src?logging", "PUT", b"BucketLoggingStatus", "REST.PUT.LOGGING_STATUS", "MalformedXML"),
    ("/src?acl", "PUT", b"AccessControlPolicy", "REST.PUT.ACL", "MalformedACLError"),
    ("/src/doc?acl", "PUT", b"AccessControlPolicy", "REST.PUT.ACL", "MalformedACLError"),
    ("/src?delete", "POST", b"Delete", "REST.POST.MULTI_OBJECT_DELETE", "MalformedXML"),
    (
        "/src?ownershipControls",
        "PUT",
        b"OwnershipControls",
        "REST.PUT.OWNERSHIP_CONTROLS",
        "MalformedXML",
    ),
    (
        "/src?publicAccessBlock",
        "PUT",
        b"PublicAccessBlockConfiguration",
        "REST.PUT.PUBLIC_ACCESS_BLOCK",
        "MalformedXML",
    ),
    ("/src", "PUT", b"CreateBucketConfiguration", "REST.PUT.BUCKET", "MalformedXML"),
    (
        "/src/doc?uploadId=UPLOAD",
        "POST",
        b"CompleteMultipartUpload",
        "REST.POST.UPLOAD",
        "MalformedXML",
    ),
    ("/src?policy", "PUT", b"Policy", "REST.PUT.BUCKETPOLICY", "MalformedPolicy"),
]
named_document = pytest.mark.parametrize(
    ("target", "method", "element", "operation", "code"),
    DOCUMENTS,
    ids=[row[0].replace("/", "") + row[1] for row in DOCUMENTS],
)


@named_document
def test_a_document_that_is_none_is_refused(
    sender: Sender,
    log: Log,
    root: str,
    upload: str,
    target: str,
    method: str,
    element: bytes,
    operation: str,
    code: str,
) -> None:
    target = target.replace("UPLOAD", upload)
    ids = {}
    with sender.connect() as connection:  # one for all: none of them breaks it
        for what, text in BAD_XML.items():
            body = text.replace(b"%(root)s", element)
            connection.send(sender.signed(method, target, body=body))
            answer = connection.answer()
            assert (what, answer.status, answer.code) == (what, 400, code)
            ids[what] = answer.request_id
    for what, request_id in ids.items():
        record = log.one(request_id)
        assert judged(record) == (operation, 400, code), what
        assert record.requester == root


@named_document
def test_a_document_that_is_too_large_is_refused_unread(
    sender: Sender,
    log: Log,
    upload: str,
    target: str,
    method: str,
    element: bytes,
    operation: str,
    code: str,
) -> None:
    target = target.replace("UPLOAD", upload)
    body = b"<%s>%s</%s>" % (element, b" " * (9 << 20), element)
    answer = sender.ask(sender.signed(method, target, body=body))
    assert (answer.status, answer.code) == (400, "MaxMessageLengthExceeded")
    assert judged(log.one(answer.request_id)) == (operation, 400, "MaxMessageLengthExceeded")
    # And without a length that would tell it beforehand.
    request = sender.signed(
        method,
        target,
        [("Transfer-Encoding", "chunked"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")],
    )
    with sender.connect() as connection:
        connection.send(request + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        answer = connection.answer()
    assert (answer.status, answer.code) == (400, "MaxMessageLengthExceeded")
    still_serves(sender)


def test_an_empty_document_is_refused(sender: Sender, log: Log, upload: str) -> None:
    codes = {}
    for target, method, _, operation, _ in DOCUMENTS:
        if target == "/src":
            continue  # there it means the default
        answer = sender.ask(sender.signed(method, target.replace("UPLOAD", upload)))
        codes[target] = answer.code
        assert judged(log.one(answer.request_id)) == (operation, 400, answer.code)
    assert codes == {
        "/src?logging": "MalformedXML",
        "/src?acl": "MissingSecurityHeader",
        "/src/doc?acl": "MissingSecurityHeader",
        "/src?delete": "MalformedXML",
        "/src?ownershipControls": "MalformedXML",
        "/src?publicAccessBlock": "MalformedXML",
        "/src/doc?uploadId=UPLOAD": "MalformedXML",
        "/src?policy": "MalformedPolicy",
    }


NUMBER = "000000001" + "0" * 5000  # begins like a one, and Python refuses to read it


def test_numbers_of_five_thousand_digits_are_just_wrong(
    sender: Sender, log: Log, upload: str
) -> None:
    part = f"<Part><PartNumber>{NUMBER}</PartNumber><ETag>a</ETag></Part>"
    complete = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
    requests = {
        "partNumber": sender.signed(
            "PUT", f"/src/doc?partNumber={NUMBER}&uploadId={upload}", body=b"content"
        ),
        "partNumber of a GET": sender.signed("GET", f"/src/doc?partNumber={NUMBER}"),
        "Complete": sender.signed("POST", f"/src/doc?uploadId={upload}", body=complete),
        "decoded length": sender.signed(
            "PUT", "/src/k", [("x-amz-decoded-content-length", NUMBER)], b"content"
        ),
        "max-keys": sender.signed("GET", f"/src?max-keys={NUMBER}"),
        "max-uploads": sender.signed("GET", f"/src?uploads&max-uploads={NUMBER}"),
        "max-parts": sender.signed("GET", f"/src/doc?uploadId={upload}&max-parts={NUMBER}"),
        "part marker": sender.signed(
            "GET", f"/src/doc?uploadId={upload}&part-number-marker={NUMBER}"
        ),
        "size": sender.signed("DELETE", "/src/doc", [("x-amz-if-match-size", NUMBER)]),
        "copied range": sender.signed(
            "PUT",
            f"/src/doc?partNumber=1&uploadId={upload}",
            [("x-amz-copy-source", "/src/doc"), ("x-amz-copy-source-range", f"bytes=0-{NUMBER}")],
        ),
        "length": sender.signed("PUT", "/src/k", replace={"Content-Length": NUMBER}),
        "length with zeros": sender.signed("PUT", "/src/k", replace={"Content-Length": "0" * 5000}),
    }
    ids = {}
    for what, request in requests.items():
        answer = sender.ask(request)
        assert (what, answer.status) == (what, 400), answer.body
        ids[answer.request_id] = answer.code
    range_ = [("Range", f"bytes={NUMBER}-"), ("If-Modified-Since", NUMBER)]
    for header in range_:  # an unreadable condition is none
        assert sender.ask(sender.signed("GET", "/src/doc", [header])).status in (200, 416)
    for request_id, code in ids.items():
        assert judged(log.all(request_id)[0])[1:] == (400, code)
