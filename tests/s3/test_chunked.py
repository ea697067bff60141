"""Chunk framing taken off, in every form, whole and one byte at a time, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, CrtCrc32Checksum
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.signing import (
    ACCESS_KEY,
    SCOPE,
    STAMP,
    derived_key,
    signed_chunks,
    unsigned_chunks,
)

from bucketlog.s3 import chunked
from bucketlog.s3.errors import S3Error
from bucketlog.s3.sigv4 import Chain, Payload

SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
UNSIGNED = Payload(None, True, True)


def chain(seed: str = SEED) -> Chain:
    return Chain(seed, derived_key(), STAMP, SCOPE, ACCESS_KEY, "PUT\n/the/form")


SIGNED = Payload(None, True, False, chain())
SIGNED_TRAILER = Payload(None, True, True, chain())

FORMS = {"signed": SIGNED, "signed with trailer": SIGNED_TRAILER, "unsigned": UNSIGNED}
CRC = ("x-amz-checksum-crc32", "wdBDMA==")


def encoded(form: str, chunks: Iterable[bytes]) -> bytes:
    if form == "signed":
        return signed_chunks(chunks, SEED)
    if form == "signed with trailer":
        return signed_chunks(chunks, SEED, trailers=[CRC])
    return unsigned_chunks(chunks, trailers=[CRC])


def decode(
    payload: Payload, body: bytes, length: int | None, step: int | None = None
) -> tuple[bytes, dict[str, str]]:
    decoder = chunked.Decoder(payload, length)
    step = step or len(body) or 1
    data = b"".join(decoder.feed(body[at : at + step]) for at in range(0, len(body), step))
    return data, decoder.finish()


def refusal(payload: Payload, body: bytes, length: int | None) -> S3Error:
    """How the body is refused: the same whole, in threes, and one byte at a time."""
    errors = []
    for step in (None, 3, 1):
        with pytest.raises(S3Error) as caught:
            decode(payload, body, length, step)
        errors.append(caught.value)
    assert len({(error.code, error.message, str(error.detail)) for error in errors}) == 1
    return errors[0]


BIG = bytes(range(256)) * 40  # 10240 bytes
CHUNKS = {
    "nothing": [],
    "one byte": [b"x"],
    "one chunk": [BIG],
    "many chunks": [BIG, BIG[::-1], BIG * 2],
    "a short last chunk": [BIG, b"end"],
    "exactly the least": [b"a" * 8192, b"b"],
    "line ends": [b"\r\n" * 5000, b"\r\n0\r\n\r\n"],
}


@pytest.mark.parametrize("step", [None, 1, 7, 4096])
@pytest.mark.parametrize("after", [b"", b"\r\n", b"junk: and more\r\n\r\n\xff"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CHUNKS)
def test_a_body_is_decoded_whole_in_pieces_and_with_bytes_after_it(
    name: str, form: str, after: bytes, step: int | None
) -> None:
    data = b"".join(CHUNKS[name])
    trailers = {} if form == "signed" else {CRC[0]: CRC[1]}
    body = encoded(form, CHUNKS[name]) + after
    assert decode(FORMS[form], body, len(data), step) == (data, trailers)


def test_the_chunks_of_amazons_documentation_are_proven() -> None:
    first, second, last = (
        b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    )
    body = (
        b"10000;chunk-signature=%s\r\n%s\r\n400;chunk-signature=%s\r\n%s\r\n"
        b"0;chunk-signature=%s\r\n\r\n"
    ) % (first, b"a" * 65536, second, b"a" * 1024, last)
    assert decode(SIGNED, body, 66560) == (b"a" * 66560, {})
    assert body == signed_chunks([b"a" * 65536, b"a" * 1024], SEED)


def test_the_trailer_of_amazons_documentation_is_proven() -> None:
    seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    first, second, last, trailer = (
        b"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        b"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        b"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
    )
    body = (
        b"10000;chunk-signature=%s\r\n%s\r\n400;chunk-signature=%s\r\n%s\r\n"
        b"0;chunk-signature=%s\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n"
        b"x-amz-trailer-signature:%s\r\n\r\n"
    ) % (first, b"a" * 65536, second, b"a" * 1024, last, trailer)
    payload = Payload(None, True, True, chain(seed))
    assert decode(payload, body, 66560)[1] == {"x-amz-checksum-crc32c": "sOO8/Q=="}


def filled(size: int, seed: bytes) -> bytes:
    """So many bytes, made of a few: hypothesis is slow at inventing long ones."""
    return (seed * (size // len(seed) + 1))[:size]


seeds = st.binary(min_size=1, max_size=30)
pieces = st.lists(st.builds(filled, st.integers(8192, 8300), seeds), max_size=3)


@settings(max_examples=60, deadline=None)
@given(
    form=st.sampled_from(sorted(FORMS)),
    chunks=pieces,
    last=st.binary(max_size=50),
    step=st.integers(1, 20000),
)
def test_what_is_encoded_is_decoded(form: str, chunks: list[bytes], last: bytes, step: int) -> None:
    parts = [*chunks, last] if last else chunks
    data = b"".join(parts)
    assert decode(FORMS[form], encoded(form, parts), len(data), step)[0] == data


@settings(max_examples=50, deadline=None)
@given(
    data=st.builds(filled, st.integers(0, 40000), seeds),
    size=st.integers(8192, 20000),
    step=st.integers(1, 50000),
)
def test_what_botocore_wraps_is_unwrapped(data: bytes, size: int, step: int) -> None:
    wrapper = AwsChunkedWrapper(
        io.BytesIO(data),
        checksum_cls=CrtCrc32Checksum,
        checksum_name="x-amz-checksum-crc32",
        chunk_size=size,
    )
    checksum = CrtCrc32Checksum()
    checksum.update(data)
    trailers = {"x-amz-checksum-crc32": checksum.b64digest()}
    assert decode(UNSIGNED, wrapper.read(), len(data), step) == (data, trailers)


@settings(max_examples=300, deadline=None)
@given(
    form=st.sampled_from(sorted(FORMS)),
    body=st.one_of(
        st.binary(max_size=60),
        st.text("0123af;=:\r\n x-", max_size=60).map(str.encode),
    ),
    step=st.integers(1, 9),
)
def test_any_bytes_are_decoded_or_refused_alike_in_any_pieces(
    form: str, body: bytes, step: int
) -> None:
    def outcome(step: int | None) -> object:
        try:
            return decode(FORMS[form], body, None, step)
        except S3Error as error:
            return error.code, error.message, error.detail

    assert outcome(None) == outcome(step) == outcome(1)


def test_a_piece_inside_a_chunk_is_handed_on_uncopied() -> None:
    decoder = chunked.Decoder(UNSIGNED, None)
    assert decoder.feed(b"5000\r\n") == b""
    piece = BIG[:]
    assert decoder.feed(piece) is piece


# ------------------------------------------------------------ framing that is refused

BROKEN = "The request body terminated unexpectedly"
ONE = signed_chunks([b"hello"], SEED)

INCOMPLETE: dict[str, tuple[Payload, bytes]] = {
    "not encoded at all": (UNSIGNED, b"hello"),
    "nothing": (UNSIGNED, b""),
    "no last chunk": (UNSIGNED, b"5\r\nhello\r\n"),
    "no line end after the last chunk's head": (UNSIGNED, b"5\r\nhello\r\n0"),
    "half a line end at the end": (UNSIGNED, b"5\r\nhello\r\n0\r\n\r"),
    "no carriage returns": (UNSIGNED, b"5\nhello\n0\n\n"),
    "no line feeds": (UNSIGNED, b"5\rhello\r0\r\r"),
    "no line end after a chunk": (UNSIGNED, b"5\r\nhello0\r\n\r\n"),
    "half a line end after a chunk": (UNSIGNED, b"5\r\nhello\r0\r\n\r\n"),
    "half a chunk": (UNSIGNED, b"5\r\nhel"),
    "a chunk and half a line end": (UNSIGNED, b"5\r\nhello\r"),
    "a negative size": (UNSIGNED, b"-5\r\nhello\r\n0\r\n\r\n"),
    "a size with a sign": (UNSIGNED, b"+5\r\nhello\r\n0\r\n\r\n"),
    "a size with a prefix": (UNSIGNED, b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a size with an underscore": (UNSIGNED, b"0_5\r\nhello\r\n0\r\n\r\n"),
    "a size with a blank before it": (UNSIGNED, b" 5\r\nhello\r\n0\r\n\r\n"),
    "an empty size": (UNSIGNED, b"\r\nhello\r\n0\r\n\r\n"),
    "a size of sixteen digits": (UNSIGNED, b"0000000000000005\r\nhello\r\n0\r\n\r\n"),
    "an extension of unsigned chunks": (UNSIGNED, b"5;a=b\r\nhello\r\n0\r\n\r\n"),
    "a head without end": (UNSIGNED, b"5" * 3000),
    "a trailer line without its end": (UNSIGNED, b"5\r\nhello\r\n0\r\na: b"),
    "a trailer line that ends in LF": (UNSIGNED, b"5\r\nhello\r\n0\r\na: b\n"),
    "a trailer line that ends in CR": (UNSIGNED, b"5\r\nhello\r\n0\r\na: b\r"),
    "signed chunks without signatures": (SIGNED, b"5\r\nhello\r\n0\r\n\r\n"),
    "signed chunks with blank signatures": (
        SIGNED,
        b"5;chunk-signature=\r\nhello\r\n0;chunk-signature=\r\n\r\n",
    ),
    "a parameter after the signature": (SIGNED, ONE.replace(b"\r\nhello", b";a=b\r\nhello")),
    "no last signed chunk": (SIGNED, ONE[: ONE.index(b"hello") + 7]),
    "a trailer that wasn't announced": (SIGNED, ONE[:-2] + b"x-amz-checksum-crc32:wdBDMA==\r\n"),
    "a trailer without end that wasn't announced": (SIGNED, ONE[:-2] + b"x" * 3000),
    "a signed trailer without signature": (
        SIGNED_TRAILER,
        ONE[:-2] + b"x-amz-checksum-crc32:wdBDMA==\r\n",
    ),
    "a signed trailer that ends without signature": (
        SIGNED_TRAILER,
        ONE[:-2] + b"x-amz-checksum-crc32:wdBDMA==\r\n\r\n",
    ),
    "no signed trailer": (SIGNED_TRAILER, ONE),
    "a signature of no trailer": (
        SIGNED_TRAILER,
        ONE[:-2] + b"x-amz-trailer-signature:" + b"0" * 64 + b"\r\n",
    ),
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_broken_framing_is_an_incomplete_body(name: str) -> None:
    payload, body = INCOMPLETE[name]
    error = refusal(payload, body, 5)
    assert (error.code, error.message, error.detail) == ("IncompleteBody", BROKEN, {})


@pytest.mark.parametrize(
    ("body", "length", "provided"),
    [
        (b"4\r\nabcd\r\n0\r\n\r\n8\r\nefghijkl\r\n0\r\n\r\n", 12, 4),  # an empty chunk ends it
        (b"8\r\nabcdefgh\r\n0\r\n\r\n", 4, 8),
        (b"0\r\n\r\n", 1, 0),
        (b"1\r\na\r\n0\r\n\r\n", 0, 1),
        (b"ffffffffffffff\r\n", 5, 0xFFFFFFFFFFFFFF),
    ],
)
def test_another_length_than_announced_is_an_incomplete_body(
    body: bytes, length: int, provided: int
) -> None:
    error = refusal(UNSIGNED, body, length)
    assert error.code == "IncompleteBody"
    assert error.message is None
    assert error.detail == {
        "NumberBytesExpected": str(length),
        "NumberBytesProvided": str(provided),
    }


@pytest.mark.parametrize("end", [b"0\r\n", b"0\r\n\r\n"])
def test_the_last_line_end_may_be_missing(end: bytes) -> None:
    """S3 takes "0" and one line end for the end of a body; so do its SDKs' mistakes pass."""
    assert decode(UNSIGNED, b"5\r\nhello\r\n" + end, 5) == (b"hello", {})


def test_only_the_last_chunk_may_be_small() -> None:
    body = unsigned_chunks([b"x" * 1024, b"y" * 4096, b"z" * 4096])
    error = refusal(UNSIGNED, body, 9216)
    assert (error.code, error.status) == ("InvalidChunkSizeError", 403)
    assert error.text == "Only the last chunk is allowed to have a size less than 8192 bytes"
    assert error.detail == {"Chunk": "2", "BadChunkSize": "1024"}
    assert refusal(SIGNED, signed_chunks([BIG, b"y", b"z"], SEED), None).detail == {
        "Chunk": "3",
        "BadChunkSize": "1",
    }


# ------------------------------------------------------------ signatures of chunks and trailers


def test_blanks_around_a_chunks_signature_are_let_pass() -> None:
    body = ONE.replace(b";chunk-signature=", b" ; chunk-signature = ").replace(
        b"\r\nhello", b" \r\nhello"
    )
    assert decode(SIGNED, body, 5)[0] == b"hello"


WRONG: dict[str, bytes] = {
    "no hex": ONE.replace(ONE[18:82], b"invalid"),
    "no ascii": ONE.replace(ONE[18:82], b"\xe9"),
    "another signature": ONE.replace(ONE[18:82], b"0" * 64),
    "another byte": ONE.replace(b"hello", b"hellO"),
    "another last signature": ONE.replace(ONE[-68:-4], b"0" * 64),
    "a parameter before the signature": ONE.replace(b";chunk", b";a=b;chunk", 1),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_chunk_is_refused_with_what_should_have_been_signed(name: str) -> None:
    error = refusal(SIGNED, WRONG[name], 5)
    assert error.code == "SignatureDoesNotMatch"
    begins = f"AWS4-HMAC-SHA256-PAYLOAD\n{STAMP}\n{SCOPE}\n"
    assert error.detail["StringToSign"].startswith(begins)
    assert error.detail["AWSAccessKeyId"] == ACCESS_KEY
    assert error.detail["CanonicalRequest"] == "PUT\n/the/form"


def test_chunks_out_of_order_or_of_another_request_are_refused() -> None:
    body = signed_chunks([BIG, BIG[::-1]], SEED)
    half, end = body.index(b"\r\n2800;") + 2, body.rindex(b"\r\n0;") + 2
    swapped = body[half:end] + body[:half] + body[end:]
    assert len(swapped) == len(body)
    assert refusal(SIGNED, swapped, None).code == "SignatureDoesNotMatch"
    repeated = body[:half] + body[:half] + body[end:]
    assert refusal(SIGNED, repeated, None).code == "SignatureDoesNotMatch"
    other = Payload(None, True, False, chain("0" * 64))
    assert refusal(other, body, None).code == "SignatureDoesNotMatch"


def test_cutting_a_signed_body_short_is_refused() -> None:
    body = signed_chunks([BIG, b"end"], SEED)
    shortened = body[: body.index(b"\r\n3;") + 2] + body[body.index(b"0;chunk") :]
    assert refusal(SIGNED, shortened, None).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "change",
    [
        (b"wdBDMA==", b"wdBDMB=="),
        (b"x-amz-checksum-crc32:", b"x-amz-checksum-sha1:"),
        (b"x-amz-trailer-signature:", b"x-amz-trailer-signature:0"),
        (b"x-amz-trailer-signature:", b"x-a:b\r\nx-amz-trailer-signature:"),
    ],
)
def test_a_changed_trailer_is_refused(change: tuple[bytes, bytes]) -> None:
    body = encoded("signed with trailer", [b"hello"]).replace(*change)
    error = refusal(SIGNED_TRAILER, body, 5)
    assert error.code == "SignatureDoesNotMatch"
    assert error.detail["StringToSign"].startswith("AWS4-HMAC-SHA256-TRAILER\n")
    assert error.detail["CanonicalRequest"] == "PUT\n/the/form"


def test_trailers_may_be_spaced_and_cased_in_any_way() -> None:
    body = encoded("signed with trailer", [b"hello"]).replace(
        b"x-amz-checksum-crc32:", b"X-Amz-Checksum-CRC32 : \t"
    )
    assert decode(SIGNED_TRAILER, body, 5)[1] == {CRC[0]: CRC[1]}


def test_of_a_trailer_sent_twice_the_last_counts() -> None:
    body = unsigned_chunks([b"hello"], trailers=[("a", "1"), ("a", "2")])
    assert decode(UNSIGNED, body, 5)[1] == {"a": "2"}


@pytest.mark.parametrize(
    "lines",
    [
        b"no colon\r\n\r\n",
        b": no name\r\n\r\n",
        b"a b: blank in a name\r\n\r\n",
        b"a: \x00\r\n\r\n",
        b"a: \n\r\n\r\n",
        b"a: " + b"x" * 2000 + b"\r\n\r\n",
        b"a: " + b"x" * 900 + b"\r\n" + (b"b: " + b"x" * 900 + b"\r\n") * 5 + b"\r\n",
        b"a: b\r\n" * 17 + b"\r\n",
    ],
)
def test_malformed_trailers_and_too_many_of_them_are_refused(lines: bytes) -> None:
    assert refusal(UNSIGNED, b"5\r\nhello\r\n0\r\n" + lines, 5).code == "MalformedTrailerError"


# ------------------------------------------------------------ the announced length


def test_the_announced_length_is_a_number() -> None:
    assert chunked.decoded_length({"x-amz-decoded-content-length": "66560"}) == 66560


@pytest.mark.parametrize("value", [None, "", "not an int", "-1", "+1", "1.0", "٣", "1" * 19])
def test_no_announced_length_is_a_missing_one(value: str | None) -> None:
    headers = {} if value is None else {"x-amz-decoded-content-length": value}
    with pytest.raises(S3Error) as caught:
        chunked.decoded_length(headers)
    assert (caught.value.code, caught.value.status) == ("MissingContentLength", 411)
