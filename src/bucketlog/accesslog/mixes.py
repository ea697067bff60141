"""The kinds of generated records, and how often each occurs in a mix.

A kind is a function of what `generate` drew: the world, a bucket of it, four words of chance
(object, caller, size and time, whatever else), time, request id and host id. It gives a line, or
several where one request leaves several records: both halves of a copy, a batch delete and its
keys, which share a request id.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, TypeAlias

from bucketlog.accesslog.scenery import Bucket, World

Mix = Literal["default", "website", "lake", "hostile"]
Kind: TypeAlias = Callable[[World, Bucket, int, int, int, int, str, str, str], str | list[str]]

LAST = 4095
"""Kinds are chosen by this many bits of chance."""

_MONTHS = {
    name: f"{number:02}"
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}

# Waiting before the first byte, in ms: mostly little, now and then long.
_WAITS = (*range(4, 30), *range(6, 40), *range(8, 30), *range(10, 60, 2), *range(40, 200, 16))
_WAITS = (*_WAITS, *range(200, 1200, 180), 2500, 9800)


def _get(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    t = b.things[r0 * len(b.things) >> 32]
    c = b.callers[r1 * len(b.callers) >> 32]
    wait = _WAITS[r2 % len(_WAITS)]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    size = t.size or "-"
    return (
        f"{b.place} {at} {c.ip} {c.requester} {rid} REST.GET.OBJECT {t.twice}{n} "
        f'"GET {c.base}{t.path}{n} HTTP/1.1" 200 - {size} {t.size} {wait + t.size // c.pace} {wait}'
        f' "{c.referer}" "{c.agent}"{w.none}{host}{c.tail}\n'
    )


def _get_range(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    t = b.things[r0 * len(b.things) >> 32]
    c = b.callers[r1 * len(b.callers) >> 32]
    wait = _WAITS[r2 % len(_WAITS)]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    sent = min(t.size, 1 << (10 + (r2 >> 16) % 14)) or 1
    return (
        f"{b.place} {at} {c.ip} {c.requester} {rid} REST.GET.OBJECT {t.twice}{n} "
        f'"GET {c.base}{t.path}{n} HTTP/1.1" 206 - {sent} {t.size or 1} {wait + sent // c.pace} '
        f'{wait} "{c.referer}" "{c.agent}"{w.none}{host}{c.tail}\n'
    )


def _get_aborted(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    t = b.things[r0 * len(b.things) >> 32]
    c = b.callers[r1 * len(b.callers) >> 32]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    sent = t.size * (r2 & 255) >> 8
    return (
        f"{b.place} {at} {c.ip} {c.requester} {rid} REST.GET.OBJECT {t.twice}{n} "
        f'"GET {c.base}{t.path}{n} HTTP/1.1" 200 - {sent or "-"} {t.size} '
        f'{30 + sent // c.pace} 29 "{c.referer}" "{c.agent}"{w.none}{host}{c.tail}\n'
    )


def _get_version(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    t = b.things[r0 * len(b.things) >> 32]
    c = b.signers[r1 * len(b.signers) >> 32]
    wait = _WAITS[r2 % len(_WAITS)]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    version = f"{r0:08x}.{r3:08X}_{r2:08x}yZ9"
    shown = f" {version}" if w.none else ""
    return (
        f"{b.place} {at} {c.ip} {c.requester} {rid} REST.GET.OBJECT {t.twice}{n} "
        f'"GET {c.base}{t.path}{n}?versionId={version} HTTP/1.1" 200 - {t.size or "-"} {t.size} '
        f'{wait + t.size // c.pace} {wait} "-" "{c.agent}"{shown}{host}{c.tail}\n'
    )


def _presigned(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    t = b.things[r0 * len(b.things) >> 32]
    c = b.signers[r1 * len(b.signers) >> 32]
    v = b.visitors[r3 * len(b.visitors) >> 32]
    wait = _WAITS[r2 % len(_WAITS)]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    day = f"{at[8:12]}{_MONTHS[at[4:7]]}{at[1:3]}"
    sign = f"{r0:08x}{r1:08x}{r2:08x}{r3:08x}"
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={c.credential}{day}%2F{b.region}"
        f"%2Fs3%2Faws4_request&X-Amz-Date={day}T{at[13:15]}0000Z&X-Amz-Expires=3600"
        f"&X-Amz-SignedHeaders=host&X-Amz-Signature={sign}{sign[::-1]}"
    )
    if r2 & 0xF0000 == 0:  # one in sixteen came too late
        answer = f"403 AccessDenied {390 + (r2 & 31)} - 9 -"
        tail = v.tail
        who = "-"
    else:
        answer = f"200 - {t.size or '-'} {t.size} {wait + t.size // v.pace} {wait}"
        tail = c.tail_query
        who = c.requester
    return (
        f"{b.place} {at} {v.ip} {who} {rid} REST.GET.OBJECT {t.twice}{n} "
        f'"GET {c.base}{t.path}{n}?{query} HTTP/1.1" {answer} "{v.referer}" "{v.agent}"'
        f"{w.none}{host}{tail}\n"
    )


def _not_modified(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    t = b.things[r0 * len(b.things) >> 32]
    c = b.callers[r1 * len(b.callers) >> 32]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    return (
        f"{b.place} {at} {c.ip} {c.requester} {rid} REST.GET.OBJECT {t.twice}{n} "
        f'"GET {c.base}{t.path}{n} HTTP/1.1" 304 - - {t.size} {4 + (r2 & 15)} - "{c.referer}" '
        f'"{c.agent}"{w.none}{host}{c.tail}\n'
    )


def _refused(method: str, answer: str, extra: int) -> Kind:
    """A request for an object that was refused with this status and code."""

    def kind(
        w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
    ) -> str:
        t = b.things[r0 * len(b.things) >> 32]
        c = b.callers[r1 * len(b.callers) >> 32]
        n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
        return (
            f"{b.place} {at} {c.ip} {c.requester} {rid} REST.{method}.OBJECT {t.twice}{n} "
            f'"{method} {c.base}{t.path}{n} HTTP/1.1" {answer} {extra + (r2 & 63)} - '
            f'{5 + (r2 >> 16 & 31)} - "{c.referer}" "{c.agent}"{w.none}{host}{c.tail}\n'
        )

    return kind


def _head(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    t = b.things[r0 * len(b.things) >> 32]
    c = b.callers[r1 * len(b.callers) >> 32]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    return (
        f"{b.place} {at} {c.ip} {c.requester} {rid} REST.HEAD.OBJECT {t.twice}{n} "
        f'"HEAD {c.base}{t.path}{n} HTTP/1.1" 200 - - {t.size} {4 + (r2 & 31)} - "{c.referer}" '
        f'"{c.agent}"{w.none}{host}{c.tail}\n'
    )


def _put(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    t = b.things[r0 * len(b.things) >> 32]
    c = b.signers[r1 * len(b.signers) >> 32]
    wait = _WAITS[r2 % len(_WAITS)]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    return (
        f"{b.place} {at} {c.ip} {c.requester} {rid} REST.PUT.OBJECT {t.twice}{n} "
        f'"PUT {c.base}{t.path}{n}{"?x-id=PutObject" if r3 & 1 else ""} HTTP/1.1" 200 - - {t.size} '
        f'{wait + t.size // c.pace} {wait} "-" "{c.agent}"{w.none}{host}{c.tail}\n'
    )


def _delete(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    t = b.things[r0 * len(b.things) >> 32]
    c = b.signers[r1 * len(b.signers) >> 32]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    return (
        f"{b.place} {at} {c.ip} {c.requester} {rid} REST.DELETE.OBJECT {t.twice}{n} "
        f'"DELETE {c.base}{t.path}{n} HTTP/1.1" 204 - - {t.size if r3 & 7 else "-"} '
        f'{9 + (r2 & 63)} - "-" "{c.agent}"{w.none}{host}{c.tail}\n'
    )


def _on_object(
    operation: str, method: str, query: str, answer: str, *, needs_acl: bool = False
) -> Kind:
    """A request for a sub-resource of an object, with everything behind the status as it is."""

    def kind(
        w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
    ) -> str:
        t = b.things[r0 * len(b.things) >> 32]
        c = b.signers[r1 * len(b.signers) >> 32]
        n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
        target = query.format(upload=f"{r3:08x}.{r2:08X}_{r3:08x}", part=1 + (r2 & 1023))
        rest = answer.format(size=t.size, body=230 + (r2 & 1023), time=6 + (r2 >> 12 & 127))
        return (
            f"{b.place} {at} {c.ip} {c.requester} {rid} {operation} {t.twice}{n} "
            f'"{method} {c.base}{t.path}{n}{target} HTTP/1.1" {rest} "-" "{c.agent}"'
            f"{w.none}{host}{c.tail_acl if needs_acl else c.tail}\n"
        )

    return kind


def _on_bucket(operation: str, method: str, query: str, answer: str) -> Kind:
    """A request for a bucket or a sub-resource of it."""
    needs_acl = operation == "REST.PUT.ACL"

    def kind(
        w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
    ) -> str:
        c = b.signers[r1 * len(b.signers) >> 32]
        t = b.things[r0 * len(b.things) >> 32]
        prefix = t.path[1:].rpartition("/")[0].replace("/", "%2F")
        rest = answer.format(
            body=200 + (r2 & 0x1FFFF), little=120 + (r2 & 511), time=8 + (r3 & 255)
        )
        return (
            f"{b.place} {at} {c.ip} {c.requester} {rid} {operation} - "
            f'"{method} {c.base}/{query.format(prefix=prefix)} HTTP/1.1" {rest} "-" "{c.agent}"'
            f"{w.none}{host}{c.tail_acl if needs_acl else c.tail}\n"
        )

    return kind


def _copy(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> list[str]:
    t = b.things[r0 * len(b.things) >> 32]
    into = b.things[r2 * len(b.things) >> 32]
    c = b.signers[r1 * len(b.signers) >> 32]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    m = f"{r3 % 100_000:05}{into.suffix}" if into.is_series else ""
    time = 20 + (r3 & 127) + t.size // 90_000
    return [
        f"{b.place} {at} {c.ip} {c.requester} {rid} REST.COPY.OBJECT {into.twice}{m} "
        f'"PUT {c.base}{into.path}{m} HTTP/1.1" 200 - 234 {t.size} {time} {time - 2} "-" '
        f'"{c.agent}"{w.none}{host}{c.tail}\n',
        f"{b.place} {at} {c.ip} {c.requester} {rid} REST.COPY.OBJECT_GET {t.twice}{n} - 200 - - "
        f"{t.size} - - - -{w.none}{host}{c.tail}\n",
    ]


def _batch_delete(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> list[str]:
    c = b.signers[r1 * len(b.signers) >> 32]
    head = f"{b.place} {at} {c.ip} {c.requester} {rid}"
    tail = f"- -{w.none}{host}{c.tail}\n"
    count = 1 + (r2 & 15) * (1 + (r2 >> 4 & 3))
    made = [
        f'{head} REST.POST.MULTI_OBJECT_DELETE - "POST {c.base}/?delete HTTP/1.1" 200 - '
        f'{150 + 60 * count} - {20 + 3 * count} {17 + 3 * count} "-" "{c.agent}"'
        f"{w.none}{host}{c.tail}\n"
    ]
    place = r0 * len(b.things) >> 32
    for index in range(count):
        t = b.things[(place + 7 * index) % len(b.things)]
        n = f"{(r3 + index) % 100_000:05}{t.suffix}" if t.is_series else ""
        size = t.size if (r3 >> index % 32) & 3 else "-"
        made.append(f"{head} BATCH.DELETE.OBJECT {t.batch}{n} - 204 - - {size} - - {tail}")
    return made


def _by_lifecycle(operation: str, *, has_version: bool = False) -> Kind:
    """What a lifecycle rule did, with no request behind it."""

    def kind(
        w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
    ) -> str:
        t = b.things[r0 * len(b.things) >> 32]
        n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
        version = f" {r1:08x}{r2:08X}.k" if has_version and w.none else w.none
        return (
            f"{b.place} {at} - AmazonS3 {rid} {operation} {t.once}{n} "
            f'"-" - - - {t.size} - - "-" "-"{version}{host}{b.quiet_tail}\n'
        )

    return kind


def _website(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    b = w.sites[r3 * len(w.sites) >> 32]
    t = b.things[r0 * len(b.things) >> 32]
    v = b.visitors[r1 * len(b.visitors) >> 32]
    n = f"{r3 % 100_000:05}{t.suffix}" if t.is_series else ""
    wait = _WAITS[r2 % len(_WAITS)]
    if r2 >> 28 == 0:
        answer = f"404 NoSuchKey {346 + (r2 & 63)} - {wait} -"
    else:
        answer = f"200 - {t.size or '-'} {t.size} {wait + t.size // v.pace} {wait}"
    return (
        f"{b.place} {at} {v.ip} - {rid} WEBSITE.GET.OBJECT {t.twice}{n} "
        f'"GET {t.path}{n} HTTP/1.1" {answer} "{v.referer}" "{v.agent}"'
        f"{w.none}{host}{b.site_tail}\n"
    )


def _preflight(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    t = b.things[r0 * len(b.things) >> 32]
    v = b.visitors[r1 * len(b.visitors) >> 32]
    return (
        f"{b.place} {at} {v.ip} - {rid} REST.OPTIONS.PREFLIGHT - "
        f'"OPTIONS {v.base}{t.path} HTTP/1.1" 200 - - - {3 + (r2 & 15)} - "{v.referer}" '
        f'"{v.agent}"{w.none}{host}{v.tail}\n'
    )


def _anonymous_list(
    w: World, b: Bucket, r0: int, r1: int, r2: int, r3: int, at: str, rid: str, host: str
) -> str:
    v = b.visitors[r1 * len(b.visitors) >> 32]
    return (
        f"{b.place} {at} {v.ip} - {rid} REST.GET.BUCKET - "
        f'"GET {v.base}/ HTTP/1.1" 403 AccessDenied 243 - {3 + (r2 & 15)} - "-" '
        f'"{v.agent}"{w.none}{host}{v.tail}\n'
    )


_KINDS: dict[str, Kind] = {
    "get": _get,
    "get range": _get_range,
    "get aborted": _get_aborted,
    "get version": _get_version,
    "presigned": _presigned,
    "not modified": _not_modified,
    "get not found": _refused("GET", "404 NoSuchKey", 270),
    "get denied": _refused("GET", "403 AccessDenied", 243),
    "get expired token": _refused("GET", "400 ExpiredToken", 420),
    "get slow down": _refused("GET", "503 SlowDown", 300),
    "get broken": _refused("GET", "500 InternalError", 282),
    "get archived": _refused("GET", "403 InvalidObjectState", 310),
    "head": _head,
    "head not found": _refused("HEAD", "404 NoSuchKey", 280),
    "head denied": _refused("HEAD", "403 AccessDenied", 243),
    "put": _put,
    "put denied": _refused("PUT", "403 AccessDenied", 243),
    "put slow down": _refused("PUT", "503 SlowDown", 300),
    "put part": _on_object(
        "REST.PUT.PART",
        "PUT",
        "?partNumber={part}&uploadId={upload}",
        "200 - - 8388608 {time} {time}",
    ),
    "start upload": _on_object("REST.POST.UPLOADS", "POST", "?uploads", "200 - {body} - {time} 9"),
    "end upload": _on_object(
        "REST.POST.UPLOAD", "POST", "?uploadId={upload}", "200 - {body} {size} {time} 30"
    ),
    "abort upload": _on_object(
        "REST.DELETE.UPLOAD", "DELETE", "?uploadId={upload}", "204 - - - {time} 9"
    ),
    "get tagging": _on_object(
        "REST.GET.OBJECT_TAGGING", "GET", "?tagging", "200 - {body} - {time} -"
    ),
    "put tagging": _on_object("REST.PUT.OBJECT_TAGGING", "PUT", "?tagging", "200 - - - {time} 11"),
    "get acl": _on_object("REST.GET.ACL", "GET", "?acl", "200 - {body} - {time} -"),
    "put acl": _on_object("REST.PUT.ACL", "PUT", "?acl", "200 - - {size} {time} -", needs_acl=True),
    "restore": _on_object("REST.POST.RESTORE", "POST", "?restore", "202 - - - {time} 19"),
    "select": _on_object(
        "REST.POST.SELECT", "POST", "?select&select-type=2", "200 - {body} {size} {time} 25"
    ),
    "delete": _delete,
    "copy": _copy,
    "batch delete": _batch_delete,
    "list": _on_bucket(
        "REST.GET.BUCKET",
        "GET",
        "?list-type=2&max-keys=1000&prefix={prefix}%2F&delimiter=%2F",
        "200 - {body} - {time} {time}",
    ),
    "list all": _on_bucket(
        "REST.GET.BUCKET", "GET", "?list-type=2&encoding-type=url", "200 - {body} - {time} 8"
    ),
    "list versions": _on_bucket(
        "REST.GET.BUCKETVERSIONS", "GET", "?versions&prefix={prefix}", "200 - {body} - {time} 8"
    ),
    "list denied": _anonymous_list,
    "head bucket": _on_bucket("REST.HEAD.BUCKET", "HEAD", "", "200 - - - {time} {time}"),
    "location": _on_bucket("REST.GET.LOCATION", "GET", "?location", "200 - {little} - {time} -"),
    "versioning": _on_bucket(
        "REST.GET.VERSIONING", "GET", "?versioning", "200 - {little} - {time} -"
    ),
    "logging": _on_bucket("REST.GET.LOGGING_STATUS", "GET", "?logging", "200 - 242 - {time} -"),
    "policy": _on_bucket(
        "REST.GET.BUCKETPOLICY", "GET", "?policy", "404 NoSuchBucketPolicy 297 - {time} -"
    ),
    "put policy": _on_bucket("REST.PUT.BUCKETPOLICY", "PUT", "?policy", "204 - - - {time} 30"),
    "lifecycle": _on_bucket(
        "REST.GET.LIFECYCLE", "GET", "?lifecycle", "404 NoSuchLifecycleConfiguration 313 - {time} -"
    ),
    "bucket acl": _on_bucket("REST.GET.ACL", "GET", "?acl", "200 - {little} - {time} -"),
    "put bucket acl": _on_bucket("REST.PUT.ACL", "PUT", "?acl", "200 - - - {time} 20"),
    "public access": _on_bucket(
        "REST.GET.PUBLIC_ACCESS_BLOCK", "GET", "?publicAccessBlock", "200 - {little} - {time} -"
    ),
    "not allowed": _on_bucket(
        "REST.POST.WEBSITE", "POST", "?website", "405 MethodNotAllowed 321 - 4 -"
    ),
    "uploads": _on_bucket("REST.GET.UPLOADS", "GET", "?uploads", "200 - {little} - {time} 11"),
    "preflight": _preflight,
    "website": _website,
    "expire": _by_lifecycle("S3.EXPIRE.OBJECT", has_version=True),
    "expire unversioned": _by_lifecycle("S3.EXPIRE.OBJECT"),
    "transition": _by_lifecycle("S3.TRANSITION_GDA.OBJECT"),
    "transition ia": _by_lifecycle("S3.TRANSITION_SIA.OBJECT"),
    "marker": _by_lifecycle("S3.CREATE.DELETEMARKER", has_version=True),
    "expire upload": _by_lifecycle("S3.DELETE.UPLOAD"),
}

# Of about 4096; "default" has every kind, the others change some.
_DEFAULT: dict[str, int] = {
    **dict.fromkeys(_KINDS, 2),
    **{"get": 1680, "get range": 240, "get aborted": 20, "get version": 30, "presigned": 150},
    **{"not modified": 150, "get not found": 120, "get denied": 90, "get slow down": 6},
    **{"head": 340, "head not found": 130, "head denied": 20, "put": 330, "put denied": 8},
    **{"put part": 110, "start upload": 12, "end upload": 11, "get tagging": 12, "get acl": 6},
    **{"delete": 60, "copy": 24, "batch delete": 10, "list": 130, "list all": 40},
    **{"list versions": 8, "list denied": 12, "head bucket": 30, "location": 30, "versioning": 8},
    **{"logging": 6, "policy": 10, "lifecycle": 8, "bucket acl": 6, "public access": 4},
    **{"preflight": 12, "website": 90, "expire": 30, "expire unversioned": 30, "transition": 12},
}
_MIXES: dict[str, dict[str, int]] = {
    "default": _DEFAULT,
    "hostile": _DEFAULT,
    "website": {**_DEFAULT, "website": 1400, "get": 1200, "put": 40, "list": 20, "put part": 4},
    "lake": {**_DEFAULT, "get range": 1400, "get": 700, "head": 700, "list": 500, "website": 1},
}


@lru_cache(maxsize=4)
def table(mix: Mix) -> tuple[Kind, ...]:
    """The kinds of a mix, `LAST` and one of them, each as often as it occurs."""
    shares = _MIXES[mix]
    whole = sum(shares.values())
    chosen: list[Kind] = []
    passed = 0
    for name, share in shares.items():
        passed += share
        chosen += [_KINDS[name]] * ((LAST + 1) * passed // whole - len(chosen))
    return tuple(chosen)
