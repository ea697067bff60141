"""S3 buckets as a store: obstore lists and fetches, with many requests in flight. Small objects of
an endpoint without TLS are first asked for in a cheaper way (`plain_http`).

obstore can't say some names that S3 allows: with empty segments, control characters, a leading
slash. Listings that hold such keys, and these keys themselves, are asked of boto3 instead. What
either of them raises ends here: an `Unreadable` for one object, a `Problem` for a whole source.
"""

from __future__ import annotations

import io
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, BinaryIO

from bucketlog import __version__
from bucketlog.problems import Problem
from bucketlog.reader.access import Access, is_amazon, missing
from bucketlog.reader.crew import Crew
from bucketlog.reader.objects import SourceObject, Trouble, Unreadable
from bucketlog.reader.plain_http import PlainHttp

_RANGE = 8 * 1024 * 1024
_RANGES = 4  # of one big object, in flight
_PAGE = 1000

Found = SourceObject | Trouble


class Bucket:
    """One bucket, from one endpoint. Keys are as S3 has them."""

    def __init__(self, name: str, access: Access) -> None:
        self.name = name
        self.readers = access.requests
        self._access = access
        self._lock = threading.Lock()
        self._store: Any = None
        self._client: Any = None
        self._plain: PlainHttp | None = None

    # ── the connection ──────────────────────────────────────────────────────────────────────────

    @property
    def store(self) -> Any:
        """obstore's store, made when first needed: it may take a request to know the Region."""
        with self._lock:
            if self._store is None:
                self._store = self._made()
            return self._store

    @cached_property
    def _get(self) -> Callable[[str], Any]:
        import obstore

        return partial(obstore.get, self.store)

    @property
    def client(self) -> Any:
        """boto3's client for this bucket."""
        assert self.store is not None
        return self._client

    def _made(self) -> Any:
        try:
            from obstore.store import S3Store
        except ImportError as error:
            raise missing("obstore") from error
        access = self._access
        self._client = client = access.client()
        region = client.meta.region_name
        if is_amazon(client.meta.endpoint_url) and access.region is None:
            region = self._home(client) or region
            self._client = client = access.client(region)
        endpoint = client.meta.endpoint_url
        is_virtual = (
            not is_amazon(endpoint)
            and (client.meta.config.s3 or {}).get("addressing_style") == "virtual"
        )
        if is_virtual:
            scheme, _, host = endpoint.partition("://")
            endpoint = f"{scheme}://{self.name}.{host}"
        if PlainHttp.serves(endpoint):
            credentials = access.credentials
            self._plain = PlainHttp(
                endpoint,
                "" if is_virtual else f"/{self.name}",
                region,
                None if credentials is None else credentials.get_frozen_credentials,
            )
        options: dict[str, Any] = {
            "allow_http": endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(seconds=30),
            "timeout": timedelta(minutes=15),
            "user_agent": f"bucketlog/{__version__}",
        }
        if (certificates := access.certificates) is not None:
            options["root_certificate"] = certificates
        signing: dict[str, Any] = {"skip_signature": True}
        if access.credentials is not None:
            signing = {"credential_provider": access.frozen_credentials}
        return S3Store(
            self.name,
            endpoint=endpoint,
            region=region,
            virtual_hosted_style_request=is_virtual,
            client_options=options,  # type: ignore[arg-type]
            retry_config={"max_retries": access.retries, "retry_timeout": timedelta(minutes=2)},
            **signing,
        )

    def _home(self, client: Any) -> str | None:
        """The Region of a bucket of Amazon's, which tells it even when it refuses."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = client.head_bucket(Bucket=self.name)
        except ClientError as error:
            answer = error.response
        except BotoCoreError:
            return None  # whatever is wrong, the first real request will say it
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region: str | None = headers.get("x-amz-bucket-region")
        return region

    def close(self) -> None:
        """Ends the connections of its own."""
        if self._plain is not None:
            self._plain.close()

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def whole(self, found: SourceObject, limit: int) -> bytes | None:
        """All of it, or None."""
        if not is_plain(found.key):
            with self._reading():
                answer = self.client.get_object(Bucket=self.name, Key=found.key)
                with answer["Body"] as body:
                    return None if answer["ContentLength"] > limit else bytes(body.read())
        try:  # without `_reading`, whose few microseconds count here
            if self._plain is not None and (data := self._plain.get(found.key, limit)) is not None:
                return data
            result = self._get(found.key)
            return None if result.meta["size"] > limit else result.bytes().to_bytes()
        except Exception as error:
            with self._reading():
                raise
            raise AssertionError from error

    def chunks(self, found: SourceObject) -> Iterator[bytes]:
        if is_plain(found.key):
            return self._ranges(found)
        return self._streamed(found)

    def can_repeat(self, found: SourceObject) -> bool:
        return True

    def seekable(self, found: SourceObject) -> BinaryIO:
        with self._reading():
            size = found.size if found.size is not None else self.head(found.key)["size"]
        return io.BufferedReader(_Ranged(self, found, size), 1024 * 1024)

    def part(self, found: SourceObject, start: int, end: int, etag: str | None) -> Any:
        """Bytes of one range, as obstore gives them. The object must still be the same."""
        import obstore

        with self._reading():
            options: Any = {"range": (start, end)}
            if etag is not None:
                options["if_match"] = etag
            return obstore.get(self.store, found.key, options=options)

    def _ranges(self, found: SourceObject) -> Iterator[bytes]:
        first = self.part(found, 0, _RANGE, None)
        size, etag = first.meta["size"], first.meta["e_tag"]
        with self._reading():
            yield first.bytes().to_bytes()
        if size <= _RANGE:
            return
        crew = Crew(_RANGES, "bucketlog-range")
        ahead: deque[Future[bytes]] = deque()
        starts = iter(range(_RANGE, size, _RANGE))

        def fetched(start: int) -> bytes:
            with self._reading():
                data: bytes = self.part(found, start, start + _RANGE, etag).bytes().to_bytes()
            return data

        try:
            for start in starts:
                ahead.append(crew.submit(fetched, start))
                if len(ahead) == _RANGES:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            crew.dismiss()

    def _streamed(self, found: SourceObject) -> Iterator[bytes]:
        with (
            self._reading(),
            self.client.get_object(Bucket=self.name, Key=found.key)["Body"] as body,
        ):
            while chunk := body.read(_RANGE):
                yield chunk

    def head(self, key: str) -> dict[str, Any]:
        """`size` and `last_modified` of an object. Raises as reading does."""
        with self._reading():
            if is_plain(key):
                import obstore

                return dict(obstore.head(self.store, key))
            answer = self.client.head_object(Bucket=self.name, Key=key)
            return {"size": answer["ContentLength"], "last_modified": answer["LastModified"]}

    @contextmanager
    def _reading(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ClientError, BotoCoreError, ValueError) as error:
            reason = reason_of(error)
            if self._access.credentials is None and "403" in reason:
                reason += "; the request was anonymous, as no AWS credentials were found"
            raise Unreadable(reason) from error

    # ── listing ─────────────────────────────────────────────────────────────────────────────────

    def object(self, key: str, size: int | None = None, modified_at: Any = None) -> SourceObject:
        """One of its objects."""
        return SourceObject(f"s3://{self.name}/{key}", key, self, size, modified_at)

    def listed(self, prefix: str, start_after: str | None) -> Iterator[Found]:
        """Its objects whose keys begin so, in the order of their keys.

        Raises `Problem` if nothing can be listed; what breaks off later is a `Trouble`.
        """
        from obstore.exceptions import BaseError

        last, count = start_after, 0
        try:
            with self._reading():
                if is_plain(prefix, is_prefix=True) and not self._has_slashed(prefix):
                    try:
                        for found in self._listed_plainly(prefix, start_after):
                            yield found
                            last, count = found.key, count + 1
                        return
                    except (BaseError, OSError, ValueError):
                        # Some key is odd, or the listing broke off: boto3 goes on, as obstore has
                        # thrown away what it had of the page. If all is lost, boto3 will say so.
                        pass
                for found in self._listed_by_boto3(prefix, last):
                    yield found
                    count += 1
        except Unreadable as error:
            name = f"s3://{self.name}/{prefix}"
            if not count:
                raise Problem(f"{name} can't be listed: {error}.", _hint(str(error))) from error
            yield Trouble(name, f"its listing broke off after {count} objects: {error}")

    def _listed_plainly(self, prefix: str, start_after: str | None) -> Iterator[SourceObject]:
        import obstore

        # obstore takes whole segments for a prefix, so what ends within one is gone up to from the
        # segment's beginning, and is over at the first key beyond.
        folder = prefix[: prefix.rfind("/") + 1]
        offset = start_after
        if prefix != folder and (offset is None or offset < prefix):
            offset = prefix
        is_sorted = not self.name.endswith("--x-s3")  # S3 Express lists in no order
        pages = obstore.list(self.store, folder or None, offset=offset, chunk_size=_PAGE)
        for page in pages:
            for meta in page:
                key = meta["path"]
                if key.startswith(prefix):
                    yield self.object(key, meta["size"], meta["last_modified"])
                elif key > prefix and prefix != folder and is_sorted:
                    return

    def _has_slashed(self, prefix: str) -> bool:
        """Whether keys begin with a slash, which obstore would leave out of them."""
        if "/" in prefix:
            return False
        found = self.client.list_objects_v2(Bucket=self.name, Prefix="/", MaxKeys=1)
        return bool(found.get("Contents"))

    def _listed_by_boto3(self, prefix: str, start_after: str | None) -> Iterator[SourceObject]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix, StartAfter=start_after or ""
        )
        for page in pages:
            for entry in page.get("Contents", ()):
                yield self.object(entry["Key"], entry["Size"], entry["LastModified"])


class _Ranged(io.RawIOBase):
    """An object as a file that can seek: every read is a request."""

    def __init__(self, bucket: Bucket, found: SourceObject, size: int) -> None:
        self._bucket, self._found, self._size = bucket, found, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        data = self._bucket.part(self._found, self._at, end, None).bytes().to_bytes()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


# An empty segment, one that means this or the folder above, or a control character.
_ODD = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[\x00-\x1f\x7f]")


def is_plain(key: str, *, is_prefix: bool = False) -> bool:
    """Whether obstore can say a key, or a prefix, as it is."""
    if is_prefix:
        key = key.removesuffix("/") or "-"
    return _ODD.search(key) is None


_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([^<]+)</Code>")
_WORDS = {
    "NoSuchKey": "it is gone",
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "access is denied",
    "InvalidAccessKeyId": "the endpoint doesn't know the access key",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "ExpiredToken": "the credentials have expired",
    "PermanentRedirect": "the bucket is in another Region",
    "AuthorizationHeaderMalformed": "the bucket is in another Region",
    "InvalidObjectState": "it is archived, and has to be restored first",
    "PreconditionFailed": "it changed while it was read",
    "SlowDown": "the endpoint is too busy",
    "ServiceUnavailable": "the endpoint is not available",
    "InternalError": "the endpoint failed",
}
_BY_STATUS = {
    "301": "PermanentRedirect",
    "401": "AccessDenied",
    "403": "AccessDenied",
    "404": "NoSuchKey",
    "412": "PreconditionFailed",
    "500": "InternalError",
    "503": "ServiceUnavailable",
}


def reason_of(error: Exception) -> str:
    """What obstore or boto3 says, in a few words, with status and code."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        code = str(response.get("Error", {}).get("Code", ""))
        status = str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    else:
        text = str(error)
        status = found[1] if (found := _STATUS.search(text)) else ""
        code = found[1] if (found := _CODE.search(text)) else ""
        if not status and not code:
            return _unanswered(text)
    if code.isdigit() or not code:
        code = _BY_STATUS.get(status, "")
    words = _WORDS.get(code, "the endpoint refuses")
    return f"{words} ({' '.join(filter(None, (status, code)))})"


def _unanswered(text: str) -> str:
    for mark, words in (
        ("Connection refused", "the endpoint doesn't answer: connection refused"),
        ("Could not connect", "the endpoint doesn't answer"),
        ("dns error", "the endpoint has no address: its name isn't known"),
        ("TimedOut", "the endpoint doesn't answer in time"),
        ("timed out", "the endpoint doesn't answer in time"),
        ("certificate", "the endpoint's certificate isn't trusted"),
        ("reset", "the endpoint broke the connection off"),
        ("IncompleteMessage", "the endpoint broke the connection off"),
    ):
        if mark in text:
            return words
    return text.strip().partition("\n")[0].rstrip(".") or "the request failed"


def _hint(reason: str) -> str:
    if "403" in reason or "401" in reason or "key" in reason:
        return "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or the profile, and who may list."
    if "bucket" in reason:
        return "Check the name, the Region and the endpoint."
    return "Check the endpoint: AWS_ENDPOINT_URL, the profile's endpoint_url, or the option."
