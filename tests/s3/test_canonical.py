"""The canonical form, held against slow and obvious twins."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, quote_from_bytes, unquote_to_bytes

import pytest
from botocore.auth import SigV4Auth
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.signing import EPOCH, NOW, REGION, SCOPE, SECRET_KEY, STAMP, derived_key

from bucketlog.s3 import canonical

# What may be on the wire: bytes as Latin-1, with many of the characters that matter.
raw_texts = st.one_of(
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=30),
    st.text("%0123456789aAfFzZ~._-/+=&;é", max_size=30),
)


@settings(max_examples=400, deadline=None)
@given(raw=raw_texts)
def test_a_path_is_decoded_and_encoded_once(raw: str) -> None:
    wanted = quote_from_bytes(unquote_to_bytes(raw.encode("latin-1")), safe="/")
    assert canonical.path(raw) == wanted
    if "%" not in wanted.replace("%25", ""):
        assert canonical.path(wanted) == wanted


@settings(max_examples=400, deadline=None)
@given(raw=raw_texts)
def test_a_query_is_sorted_by_encoded_name_then_value(raw: str) -> None:
    raw = "&".join(pair for pair in raw.split("&") if pair)
    pairs = parse_qsl(raw, keep_blank_values=True, encoding="latin-1", max_num_fields=100)
    encoded = sorted(
        (quote(n, safe="", encoding="latin-1"), quote(v, safe="", encoding="latin-1"))
        for n, v in pairs
    )
    form = canonical.query(raw)
    assert form == "&".join(f"{name}={value}" for name, value in encoded)
    assert canonical.query(form) == form


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        ("/", "/"),
        ("", ""),
        ("/a%41~", "/aA~"),
        ("/a//../.", "/a//../."),
        ("/a%2Fb", "/a/b"),
        ("/a+b", "/a%2Bb"),
        ("/100%", "/100%25"),
        ("/%zz", "/%25zz"),
        ("/\xc3\xbc", "/%C3%BC"),
    ],
)
def test_these_paths_have_these_forms(raw: str, form: str) -> None:
    assert canonical.path(raw) == form


def test_one_parameter_can_be_left_out_however_it_is_written() -> None:
    raw = "b=1&X-Amz-Signature=x&a&X-Amz-Signatur%65=y"
    assert canonical.query(raw, "X-Amz-Signature") == "a=&b=1"
    assert canonical.query("X-Amz-Signature=x", "X-Amz-Signature") == ""
    assert canonical.as_sent("b=%2f&X-Amz-Signature=x&a", "X-Amz-Signature") == "a=&b=%2f"
    assert canonical.as_sent("") == ""


@pytest.mark.parametrize("filling", ["a", "%41", "%2F", "%", "=&", "é"])
def test_long_input_takes_no_longer_than_it_is(filling: str) -> None:
    """No pattern backtracks: a hundred thousand pieces and something odd at the end."""
    raw = filling * 100_000 + "\x00"
    assert canonical.path(raw).endswith("%00")
    assert "%00" in canonical.query(raw)


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(
        st.text(st.sampled_from("ab \t:,"), max_size=12).map(lambda text: text.strip(" \t")),
        max_size=3,
    )
)
def test_header_lines_are_botocores(values: list[str]) -> None:
    headers = {f"h{at}": value for at, value in enumerate(values)}
    signer = SigV4Auth(Credentials("a", "b"), "s3", REGION)
    lines = [f"{name}:{signer._header_value(value)}\n" for name, value in headers.items()]
    assert canonical.header_lines(headers, headers) == "".join(lines)


def test_bytes_of_utf8_are_no_blanks() -> None:
    value = "à \x85".encode().decode("latin-1")
    assert canonical.header_lines({"a": f" {value}  x "}, ["a"]) == f"a:{value} x\n"


def test_the_signing_key_is_derived_in_four_steps() -> None:
    assert canonical.signing_key(SECRET_KEY, "20130524", REGION) == derived_key(scope=SCOPE)


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        (STAMP, EPOCH),
        ("19700101T000000Z", 0),
        ("20130231T000000Z", None),
        ("20130524T240000Z", None),
        ("20130524T000000", None),
        ("2013-05-24T00:00:00Z", None),
        ("٢0130524T000000Z", None),
        ("00000101T000000Z", None),
        ("", None),
    ],
)
def test_a_stamp_is_an_instant(stamp: str, seconds: int | None) -> None:
    assert canonical.seconds(stamp) == seconds
    if seconds is not None:
        assert canonical.stamp_at(seconds * 1_000_000_000 + 999_999_999) == stamp


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("Fri, 24 May 2013 00:00:00 GMT", STAMP),
        ("Fri, 24 May 2013 02:00:00 +0200", STAMP),
        ("Fri, 24 May 2013 00:00:00 -0000", STAMP),
        ("24 May 2013 00:00:00", STAMP),
        ("24 May 0999 00:00:00", "09990524T000000Z"),
        ("Fri, 99 May 2013 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:00:00 -2300", None),
        ("whenever", None),
        ("", None),
        (",", None),
    ],
)
def test_an_http_date_is_a_stamp(text: str, stamp: str | None) -> None:
    assert canonical.stamp_of(text) == stamp


def test_now_is_the_day_of_the_examples() -> None:
    assert canonical.stamp_at(NOW) == STAMP


@settings(max_examples=400, deadline=None)
@given(text=st.one_of(st.text(), st.text('Fri, 24May2013:+-0GMT()"\\@.', max_size=40)))
def test_any_text_is_a_date_or_none(text: str) -> None:
    stamp = canonical.stamp_of(text)
    assert stamp is None or canonical.seconds(stamp) is not None
