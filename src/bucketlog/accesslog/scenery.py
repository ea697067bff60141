"""The made-up world that generated records are about: buckets, their objects, and who calls.

Everything follows from a seed by SHAKE128 and whole numbers, so it is the same on every machine
and Python. Addresses are from the ranges kept for documentation (RFC 5737, RFC 3849); account
numbers, keys and signatures belong to nobody.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import shake_128
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from bucketlog.accesslog import clients
from bucketlog.accesslog.line import encode_key

T = TypeVar("T")

_WORDS = 1024
_UPPER = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NETWORKS = ("192.0.2.", "198.51.100.", "203.0.113.")
_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1", "sa-east-1")
_OBJECTS = 600  # in a bucket, besides series that never end
_CALLERS = 120  # of a bucket


class Draw:
    """A stream of whole numbers that follow from a label, everywhere the same."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._count = 0
        self._words: list[int] = []

    def below(self, limit: int) -> int:
        """A number from 0 on, less than `limit`, which is at most 2**32."""
        if not self._words:
            data = shake_128(f"{self._label}/{self._count}".encode()).digest(4 * _WORDS)
            self._words = list(struct.unpack(f"<{_WORDS}I", data))
            self._count += 1
        return (self._words.pop() * limit) >> 32

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def text(self, alphabet: str, length: int) -> str:
        """So many characters of the alphabet."""
        return "".join([self.pick(alphabet) for _ in range(length)])

    def hex(self, length: int) -> str:
        """So many lower-case hex digits."""
        return self.text("0123456789abcdef", length)


class Thing(NamedTuple):
    """An object: its key as each kind of record shows it, its path in a request, its size.

    Of a series (`number` is not empty) the key is one of a hundred thousand: `number` stands
    between `twice` and `suffix`, and all spellings of the key are the same.
    """

    twice: str
    path: str
    once: str
    batch: str
    size: int
    is_series: bool
    suffix: str


class Caller(NamedTuple):
    """Who sends requests to one bucket, with what, and the end of the records of it.

    `base` is what stands before the key in the request's path. `tail` is what follows the host
    id, with a blank before it; `tail_acl` the same where the request needs an ACL. `pace` is in
    bytes per millisecond. `credential` is empty for callers that never presign.
    """

    ip: str
    requester: str
    agent: str
    referer: str
    base: str
    tail: str
    tail_acl: str
    tail_query: str
    pace: int
    credential: str


class Bucket(NamedTuple):
    """A bucket: `place` is owner and name. Objects and callers come as often as they are used."""

    place: str
    name: str
    region: str
    things: tuple[Thing, ...]
    callers: tuple[Caller, ...]
    signers: tuple[Caller, ...]
    visitors: tuple[Caller, ...]
    quiet_tail: str
    site_tail: str


class World(NamedTuple):
    """The buckets, as often as they are used, those that are websites, and the era's fields.

    `none` is the version id of a request that names none, with a blank before it: "" before the
    field existed.
    """

    buckets: tuple[Bucket, ...]
    sites: tuple[Bucket, ...]
    fields: int
    none: str


# Flavour: weight, names, share of anonymous callers in percent.
_FLAVOURS: tuple[tuple[str, int, tuple[str, ...], int], ...] = (
    ("media", 30, ("harbour-photos", "pier.media.example", "lantern-video-prod"), 55),
    ("lake", 24, ("tidewater-lake", "acme-analytics-eu"), 0),
    ("site", 12, ("www.harbour.example", "docs.pier.example"), 90),
    ("releases", 10, ("gull-artifacts", "mirror-packages"), 40),
    ("uploads", 8, ("lantern-uploads",), 10),
    ("papers", 6, ("ledger-documents",), 5),
    ("backup", 6, ("keel-backup-us",), 0),
    ("logs", 4, ("central-logs-210987654321",), 0),
)

_FOLDERS: dict[str, tuple[str, ...]] = {
    "media": ("photos/{year}/{month}/", "thumbs/{hex}/", "video/hls/{hex}/", "avatars/", ""),
    "lake": (
        "warehouse/orders/dt={year}-{month}-{day}/",
        "raw/clicks/year={year}/month={month}/day={day}/hour={hour}/",
        "silver/customers/region=eu/",
        "_delta_log/",
    ),
    "site": ("", "assets/", "static/js/", "static/css/", "blog/{year}/", "img/"),
    "releases": ("simple/{word}/", "releases/v{small}.{small}.{small}/", "nightly/", "deb/pool/"),
    "uploads": ("incoming/{hex}/", "user/{number}/", "tmp/"),
    "papers": ("Invoices {year}/", "Verträge/", "contracts & more/", "R+D/{word}/", "お知らせ/"),
    "backup": ("restic/data/{hex2}/", "db/{year}-{month}-{day}/", "vm/{word}/"),
    "logs": ("AWSLogs/210987654321/elasticloadbalancing/{year}/{month}/{day}/", "s3/"),
}
_NAMES: dict[str, tuple[str, ...]] = {
    "media": ("IMG_{number}.jpg", "{word}-{hex}.webp", "{word} at dusk.png", "master.m3u8"),
    "lake": ("part-{number}-{hex}.c000.snappy.parquet", "{hex}.parquet", "_SUCCESS"),
    "site": ("index.html", "{word}.html", "main.{hex2}.js", "style.{hex2}.css", "favicon.ico"),
    "releases": ("{word}-{small}.{small}.{small}.tar.gz", "{word}_{small}.deb", "SHA256SUMS"),
    "uploads": ("{hex}.bin", "{word} (copy {small}).docx", "scan_{number}.pdf"),
    "papers": ("Ünïcode {word} №{small}.pdf", "100% {word}.xlsx", "a=b;c,{word}.txt", '"{word}"'),
    "backup": ("{hex}{hex}", "dump.{number}.sql.zst", "{word}.qcow2"),
    "logs": ("210987654321_{hex}.log.gz", "{year}-{month}-{day}-{hour}-{HEX}"),
}
# How many bits a size may have, from and to.
_SIZES: dict[str, tuple[int, int]] = {
    "media": (12, 28),
    "lake": (10, 29),
    "site": (8, 21),
    "releases": (10, 30),
    "uploads": (8, 27),
    "papers": (12, 24),
    "backup": (16, 33),
    "logs": (9, 24),
}
_WORDLIST = (
    *("anchor", "beacon", "compass", "dory", "ebb", "fathom", "galley", "heron", "islet", "jetty"),
    *("keel", "lagoon", "mooring", "narrows", "oar", "pilot", "quay", "reef", "skiff", "tern"),
)

_MODERN = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_CLASSIC = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA")


@lru_cache(maxsize=8)
def build(seed: int, fields: int) -> World:
    """The world of a seed, for records of so many fields."""
    draw = Draw(f"bucketlog scenery {seed}")
    owners = [draw.hex(64) for _ in range(4)]
    buckets: list[Bucket] = []
    sites: list[Bucket] = []
    for flavour, weight, names, open_share in _FLAVOURS:
        for rank, name in enumerate(names, 1):
            made = _bucket(draw, flavour, name, draw.pick(owners), open_share, fields)
            buckets += [made] * max(1, weight // rank)
            if flavour == "site":
                sites.append(made)
    return World(tuple(buckets), tuple(sites), fields, " -" if fields >= 18 else "")


def _bucket(
    draw: Draw, flavour: str, name: str, owner: str, open_share: int, fields: int
) -> Bucket:
    region = draw.pick(_REGIONS)
    account = draw.text("0123456789", 12)
    things = _zipf([_thing(draw, flavour) for _ in range(_OBJECTS)], 400)
    callers = [
        _visitor(draw, name, region, fields)
        if draw.below(100) < open_share
        else _signer(draw, name, region, owner, account, fields)
        for _ in range(_CALLERS)
    ]
    signers = [each for each in callers if each.credential]
    visitors = [each for each in callers if each.requester == "-"]
    return Bucket(
        place=f"{owner} {name}",
        name=name,
        region=region,
        things=things,
        callers=_zipf(callers, 60),
        signers=_zipf(signers or [_signer(draw, name, region, owner, account, fields)], 60),
        visitors=_zipf(visitors or [_visitor(draw, name, region, fields)], 60),
        quiet_tail=_tail(fields),
        site_tail=_tail(fields, host=f"{name}.s3-website-{region}.amazonaws.com"),
    )


def _zipf(items: list[T], most: int) -> tuple[T, ...]:
    """Each item as often as its rank lets it: the first `most` times, the tenth a tenth of it."""
    return tuple(each for rank, each in enumerate(items, 1) for _ in range(most // rank or 1))


def _thing(draw: Draw, flavour: str) -> Thing:
    folder = _filled(draw, draw.pick(_FOLDERS[flavour]))
    low, high = _SIZES[flavour]
    bits = low + (draw.below(high - low + 1) * (64 + draw.below(192)) >> 8)
    size = 0 if draw.below(100) == 0 else (1 << bits) + draw.below(1 << min(bits, 31))
    if draw.below(100) < 30:  # a series: the number is drawn anew for each record
        key = f"{folder}{draw.pick(_WORDLIST)}-"
        suffix = f"-{draw.hex(8)}.{draw.pick(('json', 'parquet', 'gz', 'jpg', 'ts'))}"
        if quote(key, safe="/~") == key:
            return Thing(key, f"/{key}", key, key, size, True, suffix)
    key = folder + _filled(draw, draw.pick(_NAMES[flavour]))
    return Thing(
        twice=encode_key("REST.GET.OBJECT", key),
        path=f"/{quote(key, safe='/~')}",
        once=encode_key("S3.EXPIRE.OBJECT", key),
        batch=encode_key("BATCH.DELETE.OBJECT", key),
        size=size,
        is_series=False,
        suffix="",
    )


def _filled(draw: Draw, pattern: str) -> str:
    if "{" not in pattern:
        return pattern
    return pattern.format(
        year=2018 + draw.below(9),
        month=f"{1 + draw.below(12):02}",
        day=f"{1 + draw.below(28):02}",
        hour=f"{draw.below(24):02}",
        hex=draw.hex(12),
        hex2=draw.hex(8),
        HEX=draw.hex(16).upper(),
        word=draw.pick(_WORDLIST),
        number=f"{draw.below(100_000):05}",
        small=draw.below(20),
    )


def _address(draw: Draw) -> str:
    if draw.below(8) == 0:
        return f"2001:db8:{draw.hex(4).lstrip('0') or '0'}::{draw.hex(3).lstrip('0') or '1'}"
    return f"{draw.pick(_NETWORKS)}{1 + draw.below(254)}"


def _tls(draw: Draw) -> tuple[str, str]:
    """Cipher suite and TLS version; hyphens for plain HTTP."""
    chance = draw.below(1000)
    if chance < 560:
        return draw.pick(_MODERN), "TLSv1.3"
    if chance < 950:
        return draw.pick(_CLASSIC), "TLSv1.2"
    if chance < 960:
        return "ECDHE-RSA-AES128-SHA", "TLSv1.1"
    if chance < 965:
        return "AES128-SHA", "TLSv1"
    return "-", "-"


def _tail(
    fields: int,
    signature: str = "-",
    cipher: str = "-",
    authentication: str = "-",
    host: str = "-",
    tls: str = "-",
    access_point: str = "-",
    acl: str = "-",
    source_region: str = "-",
) -> str:
    """What follows the host id, cut to the fields of the era."""
    tokens = (signature, cipher, authentication, host, tls, access_point, acl, source_region)
    return "".join(f" {token}" for token in tokens[: max(0, fields - 19)])


def _visitor(draw: Draw, name: str, region: str, fields: int) -> Caller:
    """Somebody without credentials: a browser, a crawler, a script."""
    cipher, tls = _tls(draw)
    is_path_style = draw.below(10) == 0
    host = f"s3.{region}.amazonaws.com" if is_path_style else f"{name}.s3.{region}.amazonaws.com"
    origins = ("-", f"https://www.{name}.example/", *clients.ORIGINS)
    tail = _tail(fields, "-", cipher, "-", host, tls, "-", draw.pick(("-", "-", "Yes")))
    return Caller(
        ip=_address(draw),
        requester="-",
        agent=draw.pick(clients.BROWSERS if draw.below(10) < 8 else clients.ROBOTS),
        referer=draw.pick(origins),
        base=f"/{name}" if is_path_style else "",
        tail=tail,
        tail_acl=tail,
        tail_query=tail,
        pace=100 + draw.below(8_000),
        credential="",
    )


def _signer(draw: Draw, name: str, region: str, owner: str, account: str, fields: int) -> Caller:
    """Somebody with credentials, or a service."""
    cipher, tls = _tls(draw)
    requester = _requester(draw, owner, account)
    is_near = draw.below(10) < 6  # runs at Amazon
    is_service = requester.startswith(("svc:", "arn:aws:iam::cloudfront"))
    is_path_style = draw.below(10) < 2
    signature = "SigV2" if draw.below(60) == 0 else "SigV4"
    host = f"s3.{region}.amazonaws.com" if is_path_style else f"{name}.s3.{region}.amazonaws.com"
    access_point = "-"
    if draw.below(25) == 0:
        access_point = f"arn:aws:s3:{region}:{account}:accesspoint/{draw.pick(_WORDLIST)}-ap"
    source = draw.pick((region, region, region, *_REGIONS)) if is_near else "-"
    foreign = "Yes" if len(requester) == 64 and requester != owner else "-"
    rest = (host, tls, access_point)
    return Caller(
        ip="-" if requester.startswith("svc:delivery") else _address(draw),
        requester=requester,
        agent="Amazon CloudFront" if is_service else draw.pick(clients.PROGRAMS),
        referer="-",
        base=f"/{name}" if is_path_style else "",
        tail=_tail(fields, signature, cipher, "AuthHeader", *rest, foreign, source),
        tail_acl=_tail(fields, signature, cipher, "AuthHeader", *rest, "Yes", source),
        tail_query=_tail(fields, "SigV4", cipher, "QueryString", *rest, "-", source),
        pace=(5_000 if is_near else 500) + draw.below(60_000 if is_near else 9_000),
        credential="" if is_service else f"AKIA{draw.text(_UPPER, 9)}EXAMPLE%2F",
    )


def _requester(draw: Draw, owner: str, account: str) -> str:
    chance = draw.below(100)
    if chance < 55:
        role = draw.pick(clients.ROLES)
        session = draw.pick(
            (
                f"i-0{draw.hex(16)}",
                f"{draw.pick(clients.PEOPLE)}@pier.example",
                f"botocore-session-17{draw.text('0123456789', 8)}",
                f"aws-go-sdk-17{draw.text('0123456789', 17)}",
                f"{draw.pick(_WORDLIST)}-{draw.pick(_WORDLIST)}",
            )
        )
        return f"arn:aws:sts::{account}:assumed-role/{role}/{session}"
    if chance < 80:
        return f"arn:aws:iam::{account}:user/{draw.pick(clients.PEOPLE)}"
    if chance < 88:
        return owner
    if chance < 92:
        return draw.hex(64)
    if chance < 96:
        identity = draw.text(_UPPER, 13)
        return f"arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E{identity}"
    return draw.pick(("svc:cloudfront.amazonaws.com", "svc:delivery.logs.amazonaws.com"))
