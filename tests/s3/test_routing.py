"""Requests as clients send them, and as they shouldn't, read into operation, bucket and key."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.serialize import create_serializer
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.s3 import routing
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Request, Route, Source
from bucketlog.s3.operations import BY_NAME

MODEL = get_session().get_service_model("s3")
SERIALIZER = create_serializer("rest-xml", include_validation=False)
DOMAINS = ("s3.example.com", "example.com")
FORM = {"content-type": "multipart/form-data; boundary=x"}


def ask(method: str, target: str, host: str = "127.0.0.1:9000", **headers: str) -> Route:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return routing.route(Request(method, target, "HTTP/1.1", {"host": host, **named}), DOMAINS)


def refused(found: Route) -> str | None:
    return None if found.refusal is None else found.refusal.code


# --- Every operation, as botocore serializes it, in both styles ---


def sample(shape: Any, name: str = "") -> Any:
    """The least that fills a shape: required members only, plausible values."""
    if name == "Bucket":
        return "amzn-bucket1"
    if name == "RequestRoute":
        return "route"
    if name == "CopySource":
        return "source-bucket/source%20key"
    if shape.type_name == "structure":
        return {member: sample(shape.members[member], member) for member in shape.required_members}
    if shape.type_name == "list":
        return [sample(shape.member)]
    if shape.type_name in ("integer", "long"):
        return 1
    if shape.type_name == "string":
        return shape.enum[0] if getattr(shape, "enum", None) else "some text"
    return {"blob": b"", "boolean": True, "timestamp": 0}.get(shape.type_name, {})


def serialized(name: str) -> tuple[str, str, dict[str, str]]:
    """Method, path-style target and headers of the least request for an operation."""
    model = MODEL.operation_model(name)
    params = {} if model.input_shape is None else sample(model.input_shape)
    made = SERIALIZER.serialize_to_request(params, model)
    path, _, fixed = made["url_path"].partition("?")
    query = "&".join(filter(None, [fixed, urlencode(made["query_string"])]))
    headers = {key.lower(): str(value) for key, value in made["headers"].items()}
    return made["method"], f"{path}?{query}" if query else path, headers


def meant(name: str) -> str:
    return BY_NAME[name].routed_as or name


@pytest.mark.parametrize("name", MODEL.operation_names)
def test_every_operation_is_recognised_in_path_style(name: str) -> None:
    method, target, headers = serialized(name)
    found = routing.route(Request(method, target, "HTTP/1.1", {"host": "h", **headers}))
    assert found.operation.name == meant(name)
    assert found.refusal is None
    level = found.operation.level
    assert found.bucket == (None if level == "service" else "amzn-bucket1")
    assert found.key == ("some text" if level == "object" else None)


@pytest.mark.parametrize(
    "name", [name for name in MODEL.operation_names if BY_NAME[name].level != "service"]
)
def test_every_operation_is_recognised_in_virtual_hosted_style(name: str) -> None:
    method, target, headers = serialized(name)
    target = target.removeprefix("/amzn-bucket1")
    if not target.startswith("/"):
        target = "/" + target
    headers["host"] = "Amzn-Bucket1.S3.Example.Com:443"
    found = routing.route(Request(method, target, "HTTP/1.1", headers), DOMAINS)
    assert (found.operation.name, found.bucket) == (meant(name), "amzn-bucket1")
    assert found.key == ("some text" if found.operation.level == "object" else None)
    assert found.refusal is None


# Targets as the API Reference prints them in its examples, with what they are.
EXAMPLES = [
    ("GET", "/", "ListObjects", {}),
    ("GET", "/?list-type=2&prefix=E&start-after=ExampleGuide.pdf", "ListObjectsV2", {}),
    ("GET", "/?list-type=1", "ListObjects", {}),
    ("GET", "/?list-type=2&continuation-token=1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=",
     "ListObjectsV2", {}),
    ("GET", "/?versions&key-marker=key3&version-id-marker=null", "ListObjectVersions", {}),
    ("GET", "/?uploads&delimiter=/", "ListMultipartUploads", {}),
    ("GET", "/?location", "GetBucketLocation", {}),
    ("PUT", "/?logging", "PutBucketLogging", {}),
    ("GET", "/?logging", "GetBucketLogging", {}),
    ("POST", "/?delete", "DeleteObjects", {}),
    ("POST", "/", "PostObject", FORM),
    ("GET", "/my-image.jpg", "GetObject", {}),
    ("GET", "/myObject?versionId=3/L4kqtJlcpXroDTDmpUMLUo", "GetObject", {}),
    ("HEAD", "/my-image.jpg", "HeadObject", {}),
    ("GET", "/Junk3.txt?response-cache-control=No-cache&response-expires=Thu%2C%2001%20Dec%201994",
     "GetObject", {}),
    ("PUT", "/my-image.jpg", "PutObject", {}),
    ("PUT", "/my-second-image.jpg", "CopyObject", {"x-amz-copy-source": "/bucket/my-image.jpg"}),
    ("DELETE", "/my-second-image.jpg", "DeleteObject", {}),
    ("PUT", "/my-movie.m2ts?partNumber=1&uploadId=VCVsb2FkIElEIGZvciBlbZZp", "UploadPart", {}),
    ("PUT", "/newobject?partNumber=2&uploadId=VCVsb2FkIElEIGZvciBlbZZp", "UploadPartCopy",
     {"x-amz-copy-source": "/source-bucket/sourceobject"}),
    ("POST", "/example-object?uploads", "CreateMultipartUpload", {}),
    ("POST", "/example-object?uploadId=AAAsb2FkIElEIGZvciBlbHZpbmcncyWeeS1tb3Zp",
     "CompleteMultipartUpload", {}),
    ("DELETE", "/example-object?uploadId=VXBsb2FkIElEIGZvciBlbHZpbmcncyBteS1tb3Zp",
     "AbortMultipartUpload", {}),
    ("GET", "/example-object?uploadId=XXBsb2FkIElEIGZvciBlb&max-parts=2&part-number-marker=1",
     "ListParts", {}),
    ("GET", "/my-image.jpg?acl", "GetObjectAcl", {}),
    ("GET", "/?inventory&id=list1", "GetBucketInventoryConfiguration", {}),
    ("GET", "/?inventory", "ListBucketInventoryConfigurations", {}),
    ("POST", "/photo1.jpg?restore", "RestoreObject", {}),
    ("POST", "/exampleobject.csv?select&select-type=2", "SelectObjectContent", {}),
    ("GET", "/quotes/Nelson?torrent", "GetObjectTorrent", {}),
    ("PUT", "/?analytics", "PutBucketAnalyticsConfiguration", {}),
    ("POST", "/data.csv?select", "SelectObjectContent", {}),
]  # fmt: skip


@pytest.mark.parametrize("style", ["path", "host"])
@pytest.mark.parametrize(("method", "target", "name", "headers"), EXAMPLES)
def test_documented_examples_are_recognised(
    style: str, method: str, target: str, name: str, headers: dict[str, str]
) -> None:
    host = "examplebucket.s3.example.com" if style == "host" else "s3.example.com"
    if style == "path":
        target = "/examplebucket" + target
    request = Request(method, target, "HTTP/1.1", {"host": host, **headers})
    found = routing.route(request, DOMAINS)
    assert (found.operation.name, found.bucket, found.refusal) == (name, "examplebucket", None)


def test_a_custom_or_unknown_parameter_changes_nothing() -> None:
    for query in ("x-id=GetObject", "x-user=johndoe", "whatever", "X-Amz-Signature=0", "ACL", "&&"):
        found = ask("GET", f"/bucket/key?{query}")
        assert (found.operation.log_name, found.refusal) == ("REST.GET.OBJECT", None)


# --- Hosts ---


@pytest.mark.parametrize(
    ("host", "bucket", "key"),
    [
        ("a-bucket.s3.example.com", "a-bucket", "path/to"),
        ("a.b.s3.example.com:9000", "a.b", "path/to"),
        ("a-bucket.s3.example.com.", "a-bucket", "path/to"),
        ("A-BUCKET.example.com", "a-bucket", "path/to"),
        ("s3.example.com", "path", "to"),
        ("example.com:80", "path", "to"),
        ("other.test", "path", "to"),
        ("badexample.com", "path", "to"),
        ("127.0.0.1:9000", "path", "to"),
        ("[::1]:9000", "path", "to"),
        ("", "path", "to"),
    ],
)
def test_the_host_says_the_bucket_under_a_domain_and_only_there(
    host: str, bucket: str, key: str
) -> None:
    found = ask("GET", "/path/to", host)
    assert (found.bucket, found.key) == (bucket, key)


def test_without_domains_every_host_is_path_style() -> None:
    request = Request("GET", "/path/to", "HTTP/1.1", {"host": "a-bucket.s3.example.com"})
    assert routing.route(request).bucket == "path"


@pytest.mark.parametrize(
    ("target", "bucket", "key"),
    [
        ("http://a-bucket.s3.example.com/k?x=1", "a-bucket", "k"),
        ("HTTPS://s3.example.com:443/bucket/k", "bucket", "k"),
        ("http://s3.example.com/bucket", "bucket", None),
        ("http://a-bucket.s3.example.com", "a-bucket", None),
        ("http://a-bucket.s3.example.com?list-type=2", "a-bucket", None),
    ],
)
def test_an_absolute_target_counts_more_than_the_host_header(
    target: str, bucket: str, key: str | None
) -> None:
    found = ask("GET", target, "elsewhere.s3.example.com")
    assert (found.bucket, found.key, found.refusal) == (bucket, key, None)


# --- Keys ---


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("a/b", "a/b"),
        ("a%2Fb", "a/b"),
        ("a+b%2Bc%20d", "a+b+c d"),
        ("a//b", "a//b"),
        ("/a", "/a"),
        ("a/", "a/"),
        ("a/./b/../c", "a/./b/../c"),
        ("..", ".."),
        ("%E2%82%AC", "€"),
        ("%F0%9F%AA%A3", "🪣"),
        ("\xe2\x82\xac", "€"),
        ("%00%01%7F", "\x00\x01\x7f"),
        ("a%3Fb%23c", "a?b#c"),
        ("%25zz", "%zz"),
        ("a:b@c;d=e,f", "a:b@c;d=e,f"),
    ],
)
@pytest.mark.parametrize("style", ["path", "host"])
def test_a_key_is_the_path_as_it_is_decoded_once(style: str, path: str, key: str) -> None:
    if style == "host":
        found = ask("GET", f"/{path}", "bucket.example.com")
    else:
        found = ask("GET", f"/bucket/{path}")
    assert (found.bucket, found.key, refused(found)) == ("bucket", key, None)


@given(st.text(min_size=1, max_size=200), st.sampled_from(["", "/~", "/+*'()"]))
def test_any_key_survives_however_much_of_it_a_client_encodes(key: str, safe: str) -> None:
    found = ask("PUT", "/bucket/" + quote(key, safe=safe))
    assert (found.key, found.refusal, found.operation.name) == (key, None, "PutObject")


@given(st.dictionaries(st.text(min_size=1).map(lambda name: "x-" + name), st.text()))
def test_any_query_survives(query: dict[str, str]) -> None:
    assert ask("GET", "/bucket/key?" + urlencode(query)).query == query


def test_the_last_of_a_repeated_parameter_counts() -> None:
    assert ask("GET", "/bucket?prefix=a&prefix=b+c&&=d&flag").query == {"prefix": "b c", "flag": ""}


@pytest.mark.parametrize(
    ("key", "size"),
    [("k" * 1024, None), ("k" * 1025, "1025"), ("€" * 342, "1026"), ("€" * 341, None)],
)
def test_a_key_has_at_most_1024_bytes_of_utf_8(key: str, size: str | None) -> None:
    found = ask("GET", "/bucket/" + quote(key))
    assert found.key == key
    if size is None:
        assert found.refusal is None
    else:
        assert found.refusal is not None
        assert found.refusal.code == "KeyTooLongError"
        assert found.refusal.detail == {"Size": size, "MaxSizeAllowed": "1024"}


@pytest.mark.parametrize(
    "target",
    [
        "/bucket/%ff",
        "/bucket/%C3",
        "/bucket/%ED%A0%80",  # a surrogate
        "/bucket/%zz",
        "/bucket/%",
        "/bucket/%4",
        "/bucket/\xff",
        "/bucket/a\x01b",
        "/bucket/a b",
        "/bucket/a\x7f",
        "/bucket/a#b",
        "/bucket/key?prefix=%ff",
        "/bucket/%ff?prefix=%zz",
    ],
)
def test_what_cannot_be_decoded_is_refused_with_the_bucket_it_was_for(target: str) -> None:
    found = ask("GET", target)
    assert (found.bucket, found.key, refused(found)) == ("bucket", None, "InvalidURI")
    assert found.operation.log_name == "REST.GET.OBJECT"


@pytest.mark.parametrize("target", ["bucket/key", "", "*", "host:443", "ftp://h/b/k"])
def test_a_target_that_is_no_path_is_refused(target: str) -> None:
    with pytest.raises(S3Error, match="InvalidURI"):
        ask("GET", target)
    found = ask("GET", target, "bucket.example.com")
    assert (found.bucket, refused(found)) == ("bucket", "InvalidURI")


@pytest.mark.parametrize("target", ["/%ff/key", "/%zz"])
def test_a_bucket_that_cannot_be_decoded_leaves_nothing_known(target: str) -> None:
    with pytest.raises(S3Error, match="InvalidURI"):
        ask("GET", target)


def test_a_path_without_a_bucket_leaves_nothing_known() -> None:
    with pytest.raises(S3Error, match="InvalidBucketName"):
        ask("GET", "//key")
    assert ask("GET", "//key", "bucket.example.com").key == "/key"


# --- Bucket names ---

VALID = ["abc", "a.b.c", "my-bucket", "123", "a--b", "a" * 63, "1.2.3", "192.168.1.a", "a-.b"]
INVALID = [
    "",
    "ab",
    "a" * 64,
    "Abc",
    "a_b",
    "-abc",
    "abc-",
    ".abc",
    "abc.",
    "a..b",
    "192.168.5.4",
    "xn--abc",
    "sthree-abc",
    "amzn-s3-demo-abc",
    "abc-s3alias",
    "abc--ol-s3",
    "abc--x-s3",
    "abc.mrap",
    "abc--table-s3",
    "bücket",
    "a b",
    "abc\n",
]


@pytest.mark.parametrize("name", VALID)
def test_a_general_purpose_bucket_may_have_this_name(name: str) -> None:
    assert routing.valid_bucket_name(name)


@pytest.mark.parametrize("name", INVALID)
def test_a_general_purpose_bucket_may_not_have_this_name(name: str) -> None:
    assert not routing.valid_bucket_name(name)
    if name:
        found = ask("PUT", "/" + quote(name))
        assert (found.operation.name, refused(found)) == ("CreateBucket", "InvalidBucketName")
        assert found.refusal is not None
        assert found.refusal.detail == {"BucketName": name}


@pytest.mark.parametrize(
    ("name", "code"),
    [("Legacy_Name", None), ("x" * 255, None), ("ab", "InvalidBucketName"),
     ("a%20b", "InvalidBucketName"), ("b%2Fk", "InvalidBucketName")],
)  # fmt: skip
def test_names_that_once_were_legal_are_merely_not_there(name: str, code: str | None) -> None:
    assert refused(ask("GET", f"/{name}")) == code
    assert refused(ask("GET", f"/{name}/key")) == code


# --- Methods and sub-resources that don't go together ---


@pytest.mark.parametrize(
    ("method", "target", "logged", "code"),
    [
        ("POST", "/bucket", "REST.POST.BUCKET", "PreconditionFailed"),
        ("PATCH", "/bucket", "REST.PATCH.BUCKET", "MethodNotAllowed"),
        ("BREW", "/bucket/key", "REST.BREW.OBJECT", "MethodNotAllowed"),
        ("POST", "/bucket/key", "REST.POST.OBJECT", "MethodNotAllowed"),
        ("POST", "/bucket?location", "REST.POST.LOCATION", "MethodNotAllowed"),
        ("DELETE", "/bucket?logging", "REST.DELETE.LOGGING_STATUS", "MethodNotAllowed"),
        ("HEAD", "/bucket?versions", "REST.HEAD.BUCKETVERSIONS", "MethodNotAllowed"),
        ("HEAD", "/bucket/key?uploadId=1", "REST.HEAD.UPLOAD", "MethodNotAllowed"),
        ("PUT", "/bucket/key?policy", "REST.PUT.BUCKETPOLICY", "MethodNotAllowed"),
        ("GET", "/bucket/key?logging", "REST.GET.LOGGING_STATUS", "NoLoggingStatusForKey"),
        ("PUT", "/bucket/key?logging", "REST.PUT.LOGGING_STATUS", "NoLoggingStatusForKey"),
        ("GET", "/bucket?torrent", "REST.GET.TORRENT", "RequestTorrentOfBucketError"),
        ("PUT", "/", "REST.PUT.SERVICE", "MethodNotAllowed"),
        ("OPTIONS", "/", "REST.OPTIONS.SERVICE", "MethodNotAllowed"),
    ],
)
def test_an_odd_method_is_refused_under_its_composed_name(
    method: str, target: str, logged: str, code: str
) -> None:
    found = ask(method, target)
    assert (found.operation.log_name, refused(found)) == (logged, code)
    assert not found.operation.implemented


def test_a_refused_method_is_told_what_is_allowed() -> None:
    error = ask("PATCH", "/bucket/key").refusal
    assert error is not None
    assert error.detail["Method"] == "PATCH"
    assert error.detail["ResourceType"] == "OBJECT"
    assert error.detail["Allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    error = ask("DELETE", "/bucket?location").refusal
    assert error is not None
    assert (error.detail["ResourceType"], error.detail["Allow"]) == ("LOCATION", "GET")


@pytest.mark.parametrize("target", ["/bucket?policy&acl", "/bucket?acl=x&policy=y&prefix=z"])
def test_conflicting_subresources_are_refused(target: str) -> None:
    found = ask("GET", target)
    assert found.operation.log_name == "REST.GET.ACL"
    assert found.refusal is not None
    assert found.refusal.code == "InvalidArgument"
    assert found.refusal.text == "Conflicting query string parameters: acl, policy"
    assert found.refusal.detail == {"ArgumentName": "ResourceType", "ArgumentValue": "acl"}


def test_a_target_of_a_write_is_never_guessed() -> None:
    found = ask("PUT", "/bucket/key?partNumber=1")
    assert refused(found) == "InvalidArgument"
    found = ask("PUT", "/bucket/key?uploadId=1")
    assert (found.operation.name, refused(found)) == ("UploadPart", "InvalidArgument")
    found = ask("PUT", "/bucket?notification", x_amz_copy_source="b/k")
    assert found.operation.log_name == "REST.COPY.NOTIFICATION"
    assert refused(found) == "MethodNotAllowed"
    found = ask("PUT", "/bucket", x_amz_copy_source="b/k")
    assert (found.operation.log_name, refused(found)) == ("REST.COPY.BUCKET", "MethodNotAllowed")


@pytest.mark.parametrize(
    ("value", "fine"),
    [("1", True), ("10000", True), ("0", False), ("10001", False), ("x", False), ("", False),
     ("-1", False), ("٣", False), ("1" * 5000, False), ("000001", True), ("0000001", False)],
)  # fmt: skip
def test_a_part_number_is_of_1_to_10000(value: str, fine: bool) -> None:
    for method, more in (("GET", ""), ("HEAD", ""), ("PUT", "&uploadId=u")):
        found = ask(method, f"/bucket/key?partNumber={quote(value)}{more}")
        assert refused(found) == (None if fine else "InvalidArgument")
        assert found.operation.log_name == f"REST.{method}.PART"


def test_the_service_endpoint_of_object_lambda_is_known_by_name() -> None:
    found = ask("POST", "/WriteGetObjectResponse")
    assert (found.operation.name, found.bucket) == ("WriteGetObjectResponse", None)
    assert not found.operation.implemented


# --- Versions ---


def test_a_version_is_named_where_an_operation_takes_one() -> None:
    assert ask("GET", "/bucket/key?versionId=null").version_id == "null"
    assert ask("DELETE", "/bucket/key?versionId=a%2Bb").version_id == "a+b"
    assert ask("GET", "/bucket/key?acl&versionId=v").version_id == "v"
    assert ask("GET", "/bucket/key").version_id is None
    assert ask("GET", "/bucket?versionId=v").version_id is None


@pytest.mark.parametrize(
    ("method", "target", "message"),
    [
        ("GET", "/bucket/key?versionId=", "Version id cannot be the empty string"),
        ("PUT", "/bucket/key?versionId=v", "This operation does not accept a version-id."),
        ("POST", "/bucket/key?uploads&versionId=v", "This operation does not accept a version-id."),
    ],
)
def test_a_version_that_means_nothing_is_refused(method: str, target: str, message: str) -> None:
    found = ask(method, target)
    assert found.refusal is not None
    assert (found.refusal.code, found.refusal.text) == ("InvalidArgument", message)
    assert found.version_id is None


# --- Copies ---


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("bucket/key", Source("bucket", "key")),
        ("/bucket/key", Source("bucket", "key")),
        ("bucket/a%20b%2Bc", Source("bucket", "a b+c")),
        ("bucket/a+b", Source("bucket", "a b")),
        ("%2Fbucket%2Fa%2Fb", Source("bucket", "a/b")),
        ("bucket/a//b/", Source("bucket", "a//b/")),
        ("bucket/key?versionId=v%2B1", Source("bucket", "key", "v+1")),
        ("bucket/a%3FversionId=b?versionId=null", Source("bucket", "a?versionId=b", "null")),
        ("bucket/caf\xc3\xa9", Source("bucket", "café")),
    ],
)
def test_a_copy_names_its_source(value: str, source: Source) -> None:
    found = ask("PUT", "/bucket/key", x_amz_copy_source=value)
    assert (found.operation.name, found.source, found.refusal) == ("CopyObject", source, None)
    found = ask("PUT", "/bucket/key?uploadId=u&partNumber=1", x_amz_copy_source=value)
    assert (found.operation.log_name, found.source) == ("REST.COPY.PART", source)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "Invalid copy source bucket name"),
        ("a b/key", "Invalid copy source bucket name"),
        ("//key", "Invalid copy source bucket name"),
        ("bucket", "Invalid copy source object key"),
        ("bucket/", "Invalid copy source object key"),
        ("bucket/" + "k" * 1025, "Invalid copy source object key"),
        ("bucket/%ff", "Invalid copy source encoding."),
        ("bucket/%", "Invalid copy source encoding."),
        ("bucket/key?versionId=", "Version id cannot be the empty string"),
    ],
)
def test_a_source_that_names_nothing_is_refused(value: str, message: str) -> None:
    found = ask("PUT", "/bucket/key", x_amz_copy_source=value)
    assert (found.operation.log_name, found.bucket) == ("REST.COPY.OBJECT", "bucket")
    assert found.source is None
    assert found.refusal is not None
    assert (found.refusal.code, found.refusal.text) == ("InvalidArgument", message)
    assert found.refusal.detail["ArgumentName"] == "x-amz-copy-source"


# --- Preflights ---


@pytest.mark.parametrize("target", ["/bucket", "/bucket/key", "/bucket?acl"])
def test_a_preflight_is_refused_because_no_bucket_has_cors(target: str) -> None:
    wanted = {"origin": "https://web.test", "access_control_request_method": "PUT"}
    found = ask("OPTIONS", target, **wanted)
    assert (found.operation.name, found.operation.log_name) == (
        "CORSPreflight",
        "REST.OPTIONS.PREFLIGHT",
    )
    assert found.refusal is not None
    assert found.refusal.code == "AccessForbidden"
    assert found.refusal.text == "CORSResponse: CORS is not enabled for this bucket."
    kind = "OBJECT" if "key" in target else "BUCKET"
    assert found.refusal.detail == {"Method": "PUT", "ResourceType": kind}


def test_a_preflight_says_where_it_comes_from_and_what_it_wants() -> None:
    assert refused(ask("OPTIONS", "/bucket")) == "BadRequest"
    found = ask("OPTIONS", "/bucket", origin="https://web.test")
    assert found.refusal is not None
    assert found.refusal.text == "Invalid Access-Control-Request-Method: null"
    found = ask("OPTIONS", "*", "bucket.example.com")
    assert (found.bucket, found.operation.name) == ("bucket", "CORSPreflight")
