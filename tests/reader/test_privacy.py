"""What is to be hidden is nowhere in what comes out."""

import hashlib
import hmac
import ipaddress
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bucketlog
from bucketlog.problems import Problem
from bucketlog.reader import addresses, derived, privacy, signatures
from bucketlog.reader.privacy import Privacy
from bucketlog.reader.schema import LINE_COLUMNS, REJECTS

KEY = b"0123456789abcdef0123456789abcdef"
TEXTS = ("key", "request_uri", "error_code", "referer", "user_agent", "version_id", "host_header")
BASE: dict[str, Any] = {
    "bucket": "lake",
    "time": datetime(2026, 6, 30, tzinfo=UTC),
    "remote_ip": "192.0.2.33",
    "requester": "arn:aws:sts::123456789012:assumed-role/reader/ada@example.com",
    "operation": "REST.GET.OBJECT",
    "parse_ambiguous": False,
    "field_count": 27,
    "line_number": 1,
}


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([BASE | row for row in rows], schema=LINE_COLUMNS)


def one(found: pa.RecordBatch) -> dict[str, Any]:
    found.validate(full=True)
    (row,) = found.to_pylist()
    return dict(row)


# ── options ─────────────────────────────────────────────────────────────────────────────────────


def test_without_options_nothing_changes() -> None:
    given_ = batch({"raw": b"x"})
    assert not Privacy().is_on
    assert privacy.apply(given_, Privacy()) is given_


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"remote_ip": "blur"}, "no way 'blur' to treat remote_ip"),
        ({"requester": "drop"}, "no way 'drop' to treat requester"),
        ({"remote_ip": "hash"}, "need a key."),
        ({"remote_ip": "encrypt", "key": b"short"}, "a key of 16 bytes or more"),
        ({"requester": "hash", "key": b""}, "a key of 16 bytes or more"),
        ({"remote_ip": "truncate", "ipv4_bits": 33}, "0 to 32"),
        ({"remote_ip": "truncate", "ipv6_bits": -1}, "0 to 128"),
    ],
)
def test_an_option_that_cant_be_is_a_problem(options: dict[str, Any], told: str) -> None:
    with pytest.raises(Problem, match=told):
        Privacy(**options)


def test_a_key_is_not_shown() -> None:
    assert KEY.decode() not in repr(Privacy(remote_ip="hash", key=KEY))


# ── remote IPs ──────────────────────────────────────────────────────────────────────────────────


def remote_ip(text: str | None, **options: Any) -> str | None:
    found = one(privacy.apply(batch({"remote_ip": text}), Privacy(**options)))["remote_ip"]
    assert found is None or isinstance(found, str)
    return found


def test_an_address_can_be_dropped() -> None:
    assert remote_ip("192.0.2.33", remote_ip="drop") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.33", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:192.0.2.33", "192.0.2.0/24"),
        ("unknown", None),
        ("fe80::1%eth0", None),
        (None, None),
    ],
)
def test_an_address_can_be_cut_to_its_network(text: str | None, expected: str | None) -> None:
    assert remote_ip(text, remote_ip="truncate") == expected


def test_how_much_is_left_can_be_said() -> None:
    options: dict[str, Any] = {"remote_ip": "truncate", "ipv4_bits": 16, "ipv6_bits": 0}
    assert remote_ip("192.0.2.33", **options) == "192.0.0.0/16"
    assert remote_ip("2001:db8::1", **options) == "::/0"


def test_a_hash_is_hmac_sha256_so_anyone_with_the_key_can_join_by_it() -> None:
    expected = hmac.new(KEY, b"192.0.2.33", hashlib.sha256).hexdigest()
    assert remote_ip("192.0.2.33", remote_ip="hash", key=KEY) == expected
    assert remote_ip("::ffff:192.0.2.33", remote_ip="hash", key=KEY) == expected
    assert remote_ip("192.0.2.33", remote_ip="hash", key=KEY + b"x") != expected


def test_an_address_has_one_hash_however_it_is_written() -> None:
    short, long = "2001:db8::1", "2001:0DB8:0000:0000:0000:0000:0000:0001"
    assert addresses.hashed(short, KEY) == addresses.hashed(long, KEY)


@given(st.one_of(st.ip_addresses().map(str), st.text(st.characters(codec="utf-8"), max_size=9)))
def test_what_is_encrypted_can_be_decrypted(text: str) -> None:
    token = addresses.encrypted(text, KEY)
    assert token == addresses.encrypted(text, KEY)
    assert privacy.decrypt(token, KEY) == addresses.canonical(text)
    with pytest.raises(Problem, match="damaged, or the key is another one"):
        privacy.decrypt(token, KEY + b"x")


def test_a_token_does_not_tell_the_family_of_its_address() -> None:
    tokens = [addresses.encrypted(text, KEY) for text in ("192.0.2.33", "2001:db8::1")]
    assert len({len(token) for token in tokens}) == 1


def test_the_column_holds_tokens() -> None:
    token = remote_ip("192.0.2.33", remote_ip="encrypt", key=KEY)
    assert token is not None
    assert privacy.decrypt(token, KEY) == "192.0.2.33"


@pytest.mark.parametrize(
    "text", ["192.0.2.33", "", "siv1.", "siv1.A", "siv1.*", "siv1." + "A" * 44]
)
def test_what_is_no_token_is_a_problem(text: str) -> None:
    with pytest.raises(Problem):
        privacy.decrypt(text, KEY)


def test_without_cryptography_encrypting_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from bucketlog.reader import addresses\n"
        "from bucketlog.problems import Problem\n"
        "try: addresses.encrypted('192.0.2.33', b'k' * 16)\n"
        "except Problem as problem: print(problem.hint)\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert told.stdout == "Run: pip install 'bucketlog[privacy]'\n", told.stderr


# ── signatures ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET /k?X-Amz-Signature=ab12&a=b HTTP/1.1", "GET /k?X-Amz-Signature=R&a=b HTTP/1.1"),
        ("GET /k?x-amz-signature=ab12 HTTP/1.1", "GET /k?x-amz-signature=R HTTP/1.1"),
        ("/k?X-Amz-Credential=AK%2F2026&X-Amz-Date=D", "/k?X-Amz-Credential=R&X-Amz-Date=D"),
        ("/k?X-Amz-Security-Token=a%2Bb%26c", "/k?X-Amz-Security-Token=R"),
        (
            "/k?AWSAccessKeyId=A&Expires=1&Signature=a%3D",
            "/k?AWSAccessKeyId=R&Expires=1&Signature=R",
        ),
        ("/k?X%2DAmz%2d%53ignature=ab", "/k?X%2DAmz%2d%53ignature=R"),
        ("?u=%2Fk%3FSignature%3Da%252Bb%26y%3D1&z", "?u=%2Fk%3FSignature%3DR%26y%3D1&z"),
        ("?u=%252Fk%253FSignature%253Da%2526y", "?u=%252Fk%253FSignature%253DR%2526y"),
        ("?u=%252Fk%253FSignature%253Da%26y", "?u=%252Fk%253FSignature%253DR%26y"),
        ("k%253FX-Amz-Signature%253Dab", "k%253FX-Amz-Signature%253DR"),
        ("/k?Signature=Signature=a&b", "/k?Signature=R&b"),
        ("/k?Signature=&b", "/k?Signature=&b"),
        ('http://x/?Signature=a#f"', 'http://x/?Signature=R#f"'),
        (
            "AWS4-HMAC-SHA256 Credential=A/b, Signature=ab",
            "AWS4-HMAC-SHA256 Credential=R Signature=R",
        ),
        ("/k?X-Amz-SignedHeaders=host", "/k?X-Amz-SignedHeaders=host"),
        ("GET /signature/credential HTTP/1.1", "GET /signature/credential HTTP/1.1"),
        ("", ""),
    ],
)
def test_a_credential_is_masked_and_its_name_stays(text: str, expected: str) -> None:
    assert signatures.strip(text) == expected.replace("=R", f"={signatures.REDACTED}").replace(
        "DR", f"D{signatures.REDACTED}"
    )


NAMES = st.sampled_from(
    ["X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "Signature", "AWSAccessKeyId"]
)
SECRETS = st.text("abcdefghijklmnopqrstuvwxyz0123456789+/=", min_size=12, max_size=30).map(
    lambda text: "S3CRET" + text
)


@st.composite
def spelled(draw: st.DrawFn) -> str:
    """A credential's name, in any case and partly percent-encoded."""
    return "".join(
        draw(
            st.sampled_from([char.lower(), char.upper(), f"%{ord(char):02X}", f"%{ord(char):02x}"])
        )
        for char in draw(NAMES)
    )


@st.composite
def urls(draw: st.DrawFn, secret: str) -> str:
    """A URL with a credential, encoded none, one, two or three times."""
    before = draw(st.sampled_from(["", "a=b&", "x=%26&", "é=1&"]))
    after = draw(st.sampled_from(["", "&c=d", "&Signature=", "#part"]))
    value = draw(st.sampled_from([secret, quote(secret, safe=""), quote(secret, safe="/")]))
    text = f"/k?{before}{draw(spelled())}={value}{after}"
    for _ in range(draw(st.integers(0, 3))):
        text = quote(text, safe=draw(st.sampled_from(["", "/", "/=?"])))
    return text


ADDRESSES = st.one_of(
    st.ip_addresses(v=4, network="192.0.2.0/24"),
    st.ip_addresses(v=6, network="2001:db8::/32"),
)


@st.composite
def spelled_address(draw: st.DrawFn, address: ipaddress.IPv4Address) -> str:
    text = draw(st.sampled_from([str(address), address.exploded, str(address).upper()]))
    return draw(st.sampled_from([text, quote(text, safe=""), quote(quote(text, safe=""))]))


@st.composite
def leaky(draw: st.DrawFn) -> tuple[dict[str, Any], Any, str]:
    """A row that holds its address and a credential wherever it can; the two."""
    address, secret = draw(ADDRESSES), draw(SECRETS)

    def text() -> str:
        parts = [
            draw(urls(secret)),
            draw(spelled_address(address)),
            draw(st.text("aé ", max_size=3)),
        ]
        return " ".join(draw(st.permutations(parts)))

    one, other = text(), text()
    row: dict[str, Any] = {name: draw(st.sampled_from([one, other])) for name in TEXTS}
    row["request_uri"] = f"GET {one} HTTP/1.1"
    row["extra_fields"] = [one, f"x={other}"]
    row["raw"] = one.encode()
    row["remote_ip"] = draw(st.sampled_from([str(address), address.exploded]))
    row["field_count"] = draw(st.sampled_from([27, None]))
    return BASE | row, address, secret


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(leaky(), min_size=1, max_size=2),
    st.sampled_from(["drop", "truncate", "hash", "encrypt"]),
    st.booleans(),
)
def test_neither_address_nor_credential_leaks_from_any_column(
    rows: list[tuple[dict[str, Any], Any, str]], way: Any, is_derived_first: bool
) -> None:
    options = Privacy(remote_ip=way, key=KEY, strip_signatures=True, requester="hash")
    found = pa.RecordBatch.from_pylist([row for row, _, _ in rows], schema=LINE_COLUMNS)
    if is_derived_first:
        found = privacy.apply(derived.add(found, derived.COLUMNS), options)
    else:
        found = derived.add(privacy.apply(found, options), derived.COLUMNS)
    found.validate(full=True)
    for told, (_, address, secret) in zip(found.to_pylist(), rows, strict=True):
        left = told.pop("remote_ip")
        network = addresses.truncate(str(address), 24, 48)
        assert left == network if way == "truncate" else str(address) not in str(left)
        shown = str(told).lower()
        assert "s3cret" not in shown
        for text in (str(address), address.exploded):
            for spelling in (text, quote(text, safe=""), quote(quote(text, safe=""))):
                assert spelling.lower() not in shown
        assert "ada@example.com" not in shown
        assert "reader" not in shown
        assert secret.lower() not in shown


def test_the_address_of_another_row_stays() -> None:
    found = privacy.apply(
        batch(
            {"remote_ip": "192.0.2.1", "referer": "http://192.0.2.2/", "user_agent": "x"},
            {
                "remote_ip": "192.0.2.2",
                "referer": "http://192.0.2.2/",
                "user_agent": "Chrome/1.2.3.4",
            },
            {"remote_ip": None, "referer": "http://192.0.2.2/"},
            {"remote_ip": "unknown", "referer": "http://192.0.2.2/unknown"},
        ),
        Privacy(remote_ip="drop"),
    )
    assert found.column("referer").to_pylist() == [
        "http://192.0.2.2/",
        "http://REDACTED/",
        "http://192.0.2.2/",
        "http://192.0.2.2/unknown",
    ]
    assert found.column("user_agent").to_pylist() == ["x", "Chrome/1.2.3.4", None, None]


def test_raw_and_the_bytes_of_rejects_are_dropped_whatever_is_hidden() -> None:
    rejects = pa.RecordBatch.from_pylist(
        [
            {
                "source_object": "a",
                "line_number": 1,
                "offset": 0,
                "reason": "it is no JSON",
                "bytes": b"192.0.2.33 Signature=x",
            }
        ],
        schema=REJECTS,
    )
    for options in (
        Privacy(strip_signatures=True),
        Privacy(remote_ip="truncate"),
        Privacy(requester="hash", key=KEY),
    ):
        assert one(privacy.apply(batch({"raw": b"192.0.2.33"}), options))["raw"] is None
        assert one(privacy.apply(rejects, options))["bytes"] == b""
        assert privacy.apply(rejects, options).schema == REJECTS


def test_a_scan_gives_neither_rows_nor_rejects_that_tell(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(
        b"192.0.2.33 is no record\n"
        b"owner lake [06/Feb/2019:00:00:38 +0000] 192.0.2.33 - ID REST.GET.OBJECT k "
        b'"GET /k?Signature=s3cret HTTP/1.1" 200 - 1 1 1 1 "http://192.0.2.33/" "-" -\n'
    )
    rejects: list[pa.RecordBatch] = []
    scan = bucketlog.scan(
        tmp_path / "log",
        privacy=Privacy(remote_ip="drop", strip_signatures=True),
        on_reject=rejects.append,
    )
    shown = str([batch.to_pylist() for batch in (*scan, *rejects)])
    assert "REDACTED" in shown
    assert "it is" in shown or "no owner" in shown
    assert "192.0.2" not in shown
    assert "s3cret" not in shown


def test_only_what_is_asked_is_hidden() -> None:
    uri = "GET /k?Signature=abc&ip=192.0.2.33 HTTP/1.1"
    row = one(privacy.apply(batch({"request_uri": uri}), Privacy(strip_signatures=True)))
    assert row["remote_ip"] == "192.0.2.33"
    assert row["request_uri"] == "GET /k?Signature=REDACTED&ip=192.0.2.33 HTTP/1.1"
    row = one(privacy.apply(batch({"request_uri": uri}), Privacy(remote_ip="drop")))
    assert row["request_uri"] == "GET /k?Signature=abc&ip=REDACTED HTTP/1.1"
    assert row["requester"] == BASE["requester"]


def test_presigned_is_still_told_when_the_signature_is_gone() -> None:
    uri = "GET /k?X-Amz-Signature=abc HTTP/1.1"
    hidden = privacy.apply(batch({"request_uri": uri}), Privacy(strip_signatures=True))
    assert one(derived.add(hidden, ["is_presigned"]))["is_presigned"] is True


# ── requesters, derived columns, odd batches ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("requester", "kind", "stays"),
    [
        (None, "anonymous", True),
        ("AmazonS3", "aws_service", True),
        ("svc:logging.s3.amazonaws.com", "log_delivery", True),
        ("arn:aws:iam::123456789012:user/bob", "iam_user", False),
        ("arn:aws:sts::123456789012:assumed-role/r/s", "assumed_role", False),
        ("79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be", "account", False),
        ("who knows", "other", False),
    ],
)
def test_a_hashed_requester_keeps_its_kind(requester: str, kind: str, stays: bool) -> None:
    options = Privacy(requester="hash", key=KEY)
    hidden = privacy.apply(batch({"requester": requester}), options)
    row = one(derived.add(hidden, ["principal_type", "user_name", "account_id"]))
    assert row["principal_type"] == kind
    assert (row["user_name"], row["account_id"]) == (None, None)
    if stays:
        assert row["requester"] == requester
    else:
        assert row["requester"] == f"{kind}:{addresses.hashed(requester, KEY)}"


def test_derived_columns_whose_fields_were_left_out_are_null() -> None:
    wide = derived.add(batch({"request_uri": "GET /k?a=b HTTP/1.1", "key": "k"}), derived.COLUMNS)
    narrow = wide.select(["remote_ip", "query", "key", "extension", "tls_version", "tls"])
    row = one(privacy.apply(narrow, Privacy(strip_signatures=True)))
    assert (row["query"], row["extension"], row["key"]) == (None, None, "k")


@pytest.mark.parametrize("columns", [[], ["remote_ip"], ["key"], ["extra_fields"], ["time"]])
def test_a_batch_may_have_any_columns(columns: list[str]) -> None:
    options = Privacy(remote_ip="hash", key=KEY, strip_signatures=True, requester="hash")
    found = batch({"key": "Signature=a", "extra_fields": ["Signature=a"]}).select(columns)
    hidden = privacy.apply(found, options)
    assert hidden.schema == found.schema
    assert "Signature=a'" not in str(hidden.to_pylist())


def test_no_rows_are_no_trouble() -> None:
    options = Privacy(remote_ip="encrypt", key=KEY, strip_signatures=True, requester="hash")
    assert privacy.apply(batch(), options).num_rows == 0


def test_extra_fields_that_are_null_stay_null() -> None:
    rows = [{"extra_fields": None}, {"extra_fields": ["Signature=a"]}]
    hidden = privacy.apply(batch(*rows), Privacy(strip_signatures=True))
    assert hidden.column("extra_fields").to_pylist() == [None, ["Signature=REDACTED"]]
