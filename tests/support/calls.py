"""Calls for a backend, made from a request line, headers and a body of bytes; and XML answers.

`Client` is one account's view of a backend: each method sends one request, as the gateway would
pass it on once the caller is permitted, and waits for the answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import quote, urlencode
from xml.etree.ElementTree import Element, fromstring

from bucketlog.s3 import checksums, routing
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import (
    ANONYMOUS,
    Bucket,
    Call,
    Caller,
    Decision,
    FileSlice,
    ObjectAccess,
    Owner,
    Received,
    Reply,
    Request,
)

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND

ALICE = Owner("111111111111", "a" * 64, "alice")
BOB = Owner("222222222222", "b" * 64, "bob")


def account(owner: Owner, user: str | None = None) -> Caller:
    """A signed caller: an account's root, or a user of it."""
    arn = None if user is None else f"arn:aws:iam::{owner.account_id}:user/{user}"
    return Caller(owner, arn, None, "AKIAEXAMPLE", "SigV4", "AuthHeader")


class Content:
    """A request body held in memory, handed over in pieces, checked as its headers ask.

    `fails` is raised after the first piece, as when a client goes away.
    """

    def __init__(
        self,
        data: bytes,
        headers: Mapping[str, str],
        piece: int = 64 * 1024,
        fails: S3Error | None = None,
    ) -> None:
        self._data = data
        self._headers = headers
        self._piece = piece
        self._fails = fails

    @property
    def length(self) -> int | None:
        return len(self._data)

    async def read(self, limit: int) -> bytes:
        if len(self._data) > limit:
            raise S3Error("MaxMessageLengthExceeded")
        return self._data

    async def into(self, write: Callable[[bytes], object]) -> Received:
        expected = checksums.expected(dict(self._headers))
        digests = checksums.Digests(expected, None, md5=True, default="CRC64NVME")
        for start in range(0, len(self._data), self._piece):
            piece = self._data[start : start + self._piece]
            digests.update(piece)
            if len(piece) > 32 * 1024:
                await asyncio.to_thread(write, piece)
            else:
                write(piece)
            if self._fails is not None:
                raise self._fails
        return digests.verify({})


class Backend(Protocol):
    """A Handler that is a Catalog too."""

    def __call__(self, call: Call) -> Awaitable[Reply]: ...

    def bucket(self, name: str) -> Bucket | None: ...

    def object_access(
        self, bucket: str, key: str, version_id: str | None
    ) -> ObjectAccess | None: ...


@dataclass
class Answer:
    """A reply, its body read."""

    status: int
    headers: dict[str, str]
    body: bytes
    reply: Reply

    @property
    def etag(self) -> str:
        """The ETag header, with its quotes."""
        return self.headers["ETag"]

    @property
    def xml(self) -> Element:
        """The body as an element, namespaces taken off."""
        root = fromstring(self.body.decode())
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root

    def text(self, path: str) -> str | None:
        """The text of the first element at a path, None if there is none."""
        found = self.xml.find(path)
        return None if found is None else found.text or ""

    def texts(self, path: str) -> list[str]:
        """The texts of all elements at a path."""
        return [element.text or "" for element in self.xml.findall(path)]


@dataclass
class Client:
    """Sends requests to a backend as one caller. `clock` moves a second with each request."""

    backend: Backend
    caller: Caller
    clock: int = START
    authorize: Callable[[str, str | None], Decision] | None = None
    object_owner: Owner | None = None

    def as_(self, caller: Caller, **changes: Any) -> Client:
        """Another caller of the same backend."""
        return replace(self, caller=caller, **changes)

    def call(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        fails: S3Error | None = None,
    ) -> Call:
        """The Call a request comes to."""
        given = {name.lower(): value for name, value in (headers or {}).items()}
        request = Request(method, target, "HTTP/1.1", given)
        route = routing.route(request, ())
        if route.refusal is not None:
            raise route.refusal
        self.clock += SECOND
        return Call(
            request=request,
            route=route,
            caller=self.caller,
            body=Content(body, given, fails=fails),
            now=self.clock,
            bucket=None if route.bucket is None else self.backend.bucket(route.bucket),
            source_bucket=(
                None if route.source is None else self.backend.bucket(route.source.bucket)
            ),
            authorize=self.authorize,
            object_owner=self.object_owner,
        )

    async def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        fails: S3Error | None = None,
    ) -> Answer:
        """Sends a request; raises the `S3Error` it is refused with."""
        call = self.call(method, target, headers, body, fails)
        if (
            call.bucket is None
            and call.route.bucket
            and call.route.operation.name != "CreateBucket"
        ):
            raise S3Error("NoSuchBucket")
        reply = await self.backend(call)
        return Answer(reply.status, reply.headers, body_of(reply), reply)

    async def refused(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> S3Error:
        """Sends a request that must be refused; gives the error."""
        try:
            answer = await self.send(method, target, headers, body)
        except S3Error as error:
            return error
        raise AssertionError(f"{method} {target} was answered {answer.status}")

    async def bucket(self, name: str, **headers: str) -> None:
        """Creates a bucket."""
        await self.send("PUT", f"/{name}", headers)

    async def put(self, bucket: str, key: str, body: bytes = b"", **headers: str) -> Answer:
        """Stores an object; `content_type=` stands for the header Content-Type, and so on."""
        return await self.send("PUT", path(bucket, key), _dashed(headers), body)

    async def get(self, bucket: str, key: str, query: str = "", **headers: str) -> Answer:
        """Fetches an object."""
        return await self.send("GET", path(bucket, key) + query, _dashed(headers))

    async def list(self, bucket: str, **query: object) -> Answer:
        """ListObjectsV2, with parameters such as `max_keys=2`."""
        asked = {name.replace("_", "-"): str(value) for name, value in query.items()}
        return await self.send("GET", f"/{bucket}?{urlencode({'list-type': '2', **asked})}")


def path(bucket: str, key: str) -> str:
    """The request target of an object."""
    return f"/{bucket}/{quote(key)}"


def body_of(reply: Reply) -> bytes:
    """A reply's body, read; files are closed, as whoever sends it would."""
    body = reply.body
    if isinstance(body, bytes):
        return body
    slices: Iterable[FileSlice] = (body,) if isinstance(body, FileSlice) else body
    data = b""
    for piece in slices:
        data += os.pread(piece.descriptor, piece.length, piece.offset)
        os.close(piece.descriptor)
    return data


def nobody() -> Caller:
    """The anonymous caller."""
    return ANONYMOUS


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
