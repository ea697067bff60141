"""Digests announced, computed and compared; and those of parts made one."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zlib

import pytest
from awscrt import checksums as crt
from botocore import httpchecksum
from botocore.session import get_session
from hypothesis import given, settings
from hypothesis import strategies as st

from bucketlog.s3 import checksums
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Received

BODY = b"The quick brown fox jumps over the lazy dog"
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def by_botocore(algorithm: str, data: bytes) -> str:
    """A checksum as botocore sends it; MD5 is in S3's model, but botocore computes none."""
    if algorithm == "MD5":
        return b64(hashlib.md5(data).digest())
    checksum = httpchecksum._CHECKSUM_CLS[algorithm.lower()]()
    return str(checksum.handle(data))


def received(
    headers: dict[str, str],
    data: bytes = BODY,
    *,
    sha256: str | None = None,
    trailers: dict[str, str] | None = None,
    md5: bool = True,
    default: str | None = None,
) -> Received:
    digests = checksums.Digests(checksums.expected(headers), sha256, md5, default)
    digests.update(data[:10])
    digests.update(data[10:])
    return digests.verify(trailers or {})


def refusal(headers: dict[str, str], data: bytes = BODY, **options: object) -> S3Error:
    with pytest.raises(S3Error) as caught:
        received(headers, data, **options)  # type: ignore[arg-type]
    return caught.value


ALGORITHMS = sorted(checksums.ALGORITHMS)


def test_every_algorithm_of_s3s_model_is_known() -> None:
    model = get_session().get_service_model("s3")
    assert sorted(model.shape_for("ChecksumAlgorithm").enum) == ALGORITHMS
    headers = {
        member.serialization["name"]
        for member in model.shape_for("PutObjectRequest").members.values()
        if member.serialization.get("name", "").startswith("x-amz-checksum-")
    }
    assert headers == {f"x-amz-checksum-{name.lower()}" for name in ALGORITHMS}


def test_importing_needs_the_standard_library_only() -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import bucketlog.s3.checksums, bucketlog.s3.sigv4, bucketlog.s3.chunked\n"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(loaded - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().split() == ["bucketlog"]


# ------------------------------------------------------------ what is computed


@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=1000), algorithm=st.sampled_from(ALGORITHMS))
def test_each_checksum_is_the_one_that_botocore_sends(data: bytes, algorithm: str) -> None:
    value = by_botocore(algorithm, data)
    header = f"x-amz-checksum-{algorithm.lower()}"
    result = received({header: value, "x-amz-sdk-checksum-algorithm": algorithm}, data)
    assert result == Received(len(data), hashlib.md5(data).hexdigest(), (algorithm, value))


# The check values of the algorithms' catalogues, for "123456789".
CHECK_VALUES = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "MD5": "25f9e794323b453885f5181f1b624d0b",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "XXHASH64": "8cb841db40e6ae83",
}


@pytest.mark.parametrize("algorithm", CHECK_VALUES)
def test_each_checksum_has_the_published_check_value(algorithm: str) -> None:
    result = received({}, b"123456789", default=algorithm)
    assert result.checksum == (algorithm, b64(bytes.fromhex(CHECK_VALUES[algorithm])))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_is_stored_by_default_when_none_was_sent(algorithm: str) -> None:
    result = received({"content-md5": b64(bytes.fromhex(MD5))}, default=algorithm, sha256=SHA256)
    assert result.checksum == (algorithm, by_botocore(algorithm, BODY))


def test_the_checksum_sent_is_stored_and_no_other() -> None:
    value = by_botocore("CRC32", BODY)
    result = received({"x-amz-checksum-crc32": value}, default="CRC64NVME")
    assert result.checksum == ("CRC32", value)


def test_nothing_is_computed_that_nobody_wants() -> None:
    assert received({}, md5=False) == Received(len(BODY), "", None)


def test_an_empty_body_has_digests_too() -> None:
    digests = checksums.Digests(checksums.expected({}), None, True, "CRC32")
    assert digests.verify({}) == Received(
        0, "d41d8cd98f00b204e9800998ecf8427e", ("CRC32", "AAAAAA==")
    )


# ------------------------------------------------------------ what is announced


def test_a_request_may_announce_nothing() -> None:
    headers = {
        "x-amz-checksum-mode": "ENABLED",
        "x-amz-checksum-algorithm": "CRC32",
        "x-amz-checksum-type": "COMPOSITE",
        "content-type": "text/plain",
    }
    assert checksums.expected(headers) == checksums.Expected()


def test_a_content_md5_is_compared() -> None:
    good = {"content-md5": b64(bytes.fromhex(MD5))}
    assert received(good, md5=False).md5 == MD5
    error = refusal(good, b"another body")
    assert (error.code, error.status) == ("BadDigest", 400)
    assert error.text == "The Content-MD5 you specified did not match what we received."
    assert error.detail == {
        "ExpectedDigest": MD5,
        "CalculatedDigest": b64(hashlib.md5(b"another body").digest()),
    }


@pytest.mark.parametrize(
    "value", ["invalid", "", MD5, b64(b"short"), b64(bytes(17)), " " + b64(bytes(16)), "é="]
)
def test_a_content_md5_that_is_none_is_an_invalid_digest(value: str) -> None:
    error = refusal({"content-md5": value})
    assert error.code == "InvalidDigest"
    assert error.text == "The Content-MD5 you specified was invalid."
    assert error.detail == {"Content-MD5": value}


def test_the_hash_that_is_signed_is_compared() -> None:
    assert received({}, sha256=SHA256).length == len(BODY)
    assert received({}, sha256=SHA256.upper()).length == len(BODY)
    for given_hash in ("0" * 64, "garbage"):
        error = refusal({}, sha256=given_hash)
        assert error.code == "XAmzContentSHA256Mismatch"
        assert error.detail == {
            "ClientComputedContentSHA256": given_hash,
            "S3ComputedContentSHA256": SHA256,
        }


def test_the_hash_that_is_signed_comes_before_all_others() -> None:
    headers = {"content-md5": b64(bytes(16)), "x-amz-checksum-crc32": "AAAAAA=="}
    assert refusal(headers, sha256="0" * 64).code == "XAmzContentSHA256Mismatch"
    assert refusal(headers, sha256=SHA256).text.startswith("The Content-MD5")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_checksum_than_announced_is_a_bad_digest(algorithm: str) -> None:
    header = f"x-amz-checksum-{algorithm.lower()}"
    value = by_botocore(algorithm, b"another body")
    words = f"The {algorithm} you specified did not match the calculated checksum."
    for error in (
        refusal({header: value}),
        refusal({"x-amz-trailer": header}, trailers={header: value}),
    ):
        assert (error.code, error.text, error.detail) == ("BadDigest", words, {})


@pytest.mark.parametrize(
    "trailer",
    [
        "x-amz-checksum-crc32",
        "X-Amz-Checksum-CRC32",
        " x-amz-checksum-crc32 ",
        "x-amz-checksum-crc32,",
        "x-amz-checksum-crc32,,",
        "x-amz-checksum-crc32, ",
    ],
)
def test_a_checksum_may_come_as_a_trailer(trailer: str) -> None:
    value = by_botocore("CRC32", BODY)
    headers = {"x-amz-trailer": trailer, "x-amz-sdk-checksum-algorithm": "crc32"}
    result = received(headers, trailers={"x-amz-checksum-crc32": value}, default="CRC64NVME")
    assert result.checksum == ("CRC32", value)


@pytest.mark.parametrize(
    "trailers",
    [
        {},
        {"x-amz-checksum-crc32c": "AAAAAA=="},
        {"x-amz-checksum-crc32": "AAAAAA==", "bonus": "x"},
    ],
)
def test_other_trailers_than_announced_are_malformed(trailers: dict[str, str]) -> None:
    error = refusal({"x-amz-trailer": "x-amz-checksum-crc32"}, trailers=trailers)
    assert (error.code, error.status) == ("MalformedTrailerError", 400)


def test_a_trailer_that_nobody_announced_is_malformed() -> None:
    trailers = {"x-amz-checksum-crc32": by_botocore("CRC32", BODY)}
    assert refusal({}, trailers=trailers).code == "MalformedTrailerError"


def test_a_trailer_without_a_checksum_in_it_is_refused() -> None:
    headers = {"x-amz-trailer": "x-amz-checksum-crc32"}
    error = refusal(headers, trailers={"x-amz-checksum-crc32": "not=base-64"})
    assert error.code == "InvalidRequest"
    assert error.text == "Value for x-amz-checksum-crc32 trailing header is invalid."


CRC = by_botocore("CRC32", BODY)
SINGLE = "Expecting a single x-amz-checksum- header"
MULTIPLE = f"{SINGLE}. Multiple checksum Types are not allowed."
UNSUPPORTED = "The value specified in the x-amz-trailer header is not supported"
MISSING = (
    "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
    "x-amz-trailer headers were found."
)
NAMED = "Value for x-amz-sdk-checksum-algorithm header is invalid."

CONFLICTS: list[tuple[dict[str, str], str]] = [
    ({"x-amz-checksum-crc32": "bad"}, "Value for x-amz-checksum-crc32 header is invalid."),
    ({"x-amz-checksum-crc32": ""}, "Value for x-amz-checksum-crc32 header is invalid."),
    ({"x-amz-checksum-crc32": "AAAAAAAA"}, "Value for x-amz-checksum-crc32 header is invalid."),
    (
        {"x-amz-checksum-sha256": CRC + "-2"},
        "Value for x-amz-checksum-sha256 header is invalid.",
    ),
    (
        {"x-amz-checksum-bad": CRC},
        "The algorithm type you specified in x-amz-checksum- header is invalid.",
    ),
    ({"x-amz-checksum-crc32": CRC, "x-amz-checksum-crc32c": CRC}, MULTIPLE),
    ({"x-amz-checksum-crc32": CRC, "x-amz-checksum-bad": CRC}, MULTIPLE),
    (
        {
            "x-amz-checksum-crc32": CRC,
            "x-amz-checksum-crc32c": CRC,
            "x-amz-sdk-checksum-algorithm": "sha256",
        },
        MULTIPLE,
    ),
    ({"x-amz-trailer": "x-amz-checksum-crc32, x-amz-checksum-crc32"}, MULTIPLE),
    ({"x-amz-trailer": "x-amz-checksum-crc32,x-amz-checksum-sha256"}, MULTIPLE),
    (
        {
            "x-amz-trailer": "x-amz-checksum-crc32, x-amz-checksum-crc32c",
            "x-amz-checksum-crc32": CRC,
        },
        MULTIPLE,
    ),
    ({"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-checksum-crc32": CRC}, SINGLE),
    ({"x-amz-trailer": "x-amz-checksum-crc32c", "x-amz-checksum-crc32": CRC}, SINGLE),
    ({"x-amz-trailer": ""}, UNSUPPORTED),
    ({"x-amz-trailer": "x-amz-checksum-bad"}, UNSUPPORTED),
    ({"x-amz-trailer": "x-amz-checksum-type"}, UNSUPPORTED),
    ({"x-amz-trailer": "x-amz-content-sha256"}, UNSUPPORTED),
    ({"x-amz-trailer": "content-md5"}, UNSUPPORTED),
    ({"x-amz-trailer": "x-amz-checksum-crc32, x-amz-foo"}, UNSUPPORTED),
    ({"x-amz-trailer": ",x-amz-checksum-crc32"}, UNSUPPORTED),
    ({"x-amz-trailer": ", x-amz-checksum-crc32, ,"}, UNSUPPORTED),
    ({"x-amz-trailer": "x-amz-checksum-crc32, ,"}, UNSUPPORTED),
    ({"x-amz-sdk-checksum-algorithm": "CRC32"}, MISSING),
    (
        {"x-amz-sdk-checksum-algorithm": "CRC32", "content-md5": b64(bytes(16))},
        MISSING,
    ),
    ({"x-amz-sdk-checksum-algorithm": "CRC32C", "x-amz-checksum-crc32": CRC}, NAMED),
    ({"x-amz-sdk-checksum-algorithm": "BAD", "x-amz-checksum-crc32": CRC}, NAMED),
    (
        {"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-trailer": "x-amz-checksum-crc32"},
        NAMED,
    ),
]


@pytest.mark.parametrize(("headers", "message"), CONFLICTS)
def test_headers_that_contradict_each_other_are_refused(
    headers: dict[str, str], message: str
) -> None:
    with pytest.raises(S3Error) as caught:
        checksums.expected(headers)
    assert (caught.value.code, caught.value.text) == ("InvalidRequest", message)


# ------------------------------------------------------------ multipart


def test_an_algorithm_is_asked_for_in_any_case() -> None:
    assert checksums.algorithm(None) is None
    assert checksums.algorithm("crc64nvme") == "CRC64NVME"
    with pytest.raises(S3Error) as caught:
        checksums.algorithm("CRC16")
    assert caught.value.text == (
        "Checksum algorithm provided is unsupported. Please try again with any of the valid "
        "types: [CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, "
        "XXHASH64]"
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_has_its_types(algorithm: str) -> None:
    can_be_whole = algorithm.startswith("CRC")
    can_be_composite = algorithm != "CRC64NVME"
    default = "COMPOSITE" if can_be_composite else "FULL_OBJECT"
    assert checksums.checksum_type(algorithm, None) == default
    for asked, can_be in (("FULL_OBJECT", can_be_whole), ("COMPOSITE", can_be_composite)):
        if can_be:
            assert checksums.checksum_type(algorithm, asked) == asked
            continue
        with pytest.raises(S3Error) as caught:
            checksums.checksum_type(algorithm, asked)
        assert caught.value.text == (
            f"The {asked} checksum type cannot be used with the {algorithm.lower()} checksum "
            "algorithm."
        )


def test_a_type_that_does_not_exist_is_refused() -> None:
    with pytest.raises(S3Error) as caught:
        checksums.checksum_type("CRC32", "HALF_OBJECT")
    assert caught.value.code == "InvalidRequest"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_value_is_decoded_only_if_it_is_one_of_its_algorithm(algorithm: str) -> None:
    value = by_botocore(algorithm, BODY)
    assert checksums.decoded(algorithm, value) == base64.b64decode(value)
    for wrong in ("", value + "A===", value[:-4], f"{value}-2", "é" * len(value)):
        assert checksums.decoded(algorithm, wrong) is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_composite_is_the_checksum_of_the_parts_digests(algorithm: str) -> None:
    parts = [b"a" * 5000, b"b" * 100, b"c"]
    values = [by_botocore(algorithm, part) for part in parts]
    joined = b"".join(base64.b64decode(value) for value in values)
    assert checksums.composite(algorithm, values) == f"{by_botocore(algorithm, joined)}-3"


def test_a_composite_known_from_elsewhere() -> None:
    value = b64(zlib.crc32(b"hello").to_bytes(4, "big"))
    whole = zlib.crc32(base64.b64decode(value) * 2)
    assert checksums.composite("CRC32", [value, value]) == f"{b64(whole.to_bytes(4, 'big'))}-2"


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.binary(max_size=300), max_size=6),
    algorithm=st.sampled_from(["CRC32", "CRC32C", "CRC64NVME"]),
)
def test_the_parts_crcs_make_that_of_the_whole(parts: list[bytes], algorithm: str) -> None:
    pairs = [(by_botocore(algorithm, part), len(part)) for part in parts]
    whole = by_botocore(algorithm, b"".join(parts))
    assert checksums.full_object(algorithm, pairs) == whole


def zeros_crc(length: int, start: int) -> int:
    """CRC-32 after `length` further zero bytes, by squaring the register's matrix: an own way."""
    rows = [0xEDB88320] + [1 << bit for bit in range(31)]  # one bit further

    def times(matrix: list[int], vector: int) -> int:
        total = 0
        for row in matrix:
            if vector & 1:
                total ^= row
            vector >>= 1
        return total

    value = start ^ 0xFFFFFFFF
    bits = length * 8
    while bits:
        if bits & 1:
            value = times(rows, value)
        rows = [times(rows, row) for row in rows]
        bits >>= 1
    return value ^ 0xFFFFFFFF


@pytest.mark.parametrize("length", [1, 5 * 1024**2, 5 * 1024**3, 5 * 1024**4])
def test_parts_of_any_length_combine_at_once(length: int) -> None:
    """As long as an object can be: nothing here takes time by the byte."""
    first = zlib.crc32(BODY)
    zeros = zeros_crc(length, 0)
    pairs = [(b64(first.to_bytes(4, "big")), len(BODY)), (b64(zeros.to_bytes(4, "big")), length)]
    wanted = zeros_crc(length, first)
    assert checksums.full_object("CRC32", pairs) == b64(wanted.to_bytes(4, "big"))


def test_ten_thousand_parts_combine() -> None:
    part = b"x" * 100
    value = by_botocore("CRC64NVME", part)
    whole = crt.crc64nvme(part * 10000).to_bytes(8, "big")
    assert checksums.full_object("CRC64NVME", [(value, 100)] * 10000) == b64(whole)


def test_only_crcs_combine() -> None:
    with pytest.raises(ValueError, match="SHA256"):
        checksums.full_object("SHA256", [])
