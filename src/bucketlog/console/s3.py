"""S3 as whoever is logged in: boto3 clients signed with the session's key, and errors in words.

Everything the console does to buckets and objects goes this way, so it may do what the key may
do, and its requests stand in the access logs like anyone's. Calls block; `call` makes them on
threads.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request

from bucketlog.console import parts, wording
from bucketlog.console.config import Config
from bucketlog.console.sessions import Identity, Session


class Failure(Exception):
    """An S3 call that failed. `status` is 0 when there was no answer."""

    def __init__(
        self, code: str, message: str, *, status: int, request_id: str, operation: str
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id
        self.operation = operation
        self.title, self.way_out = wording.of(code, status)


class Store:
    """Makes clients. Thread-safe."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._base: Any = None

    def client(self, session: Session, region: str | None = None) -> Any:
        """The session's boto3 client of a Region (the server's first unless given)."""
        region = region or self._config.regions[0]
        with self._lock:
            found = session.clients.get(region)
            if found is None:
                found = session.clients[region] = self._make(session.identity, region)
        return found

    def presigner(self, session: Session, region: str | None, endpoint: str) -> Any:
        """A client for presigned links, which others follow at another endpoint than this process
        does.
        """
        region = region or self._config.regions[0]
        name = f"{region} {endpoint}"
        with self._lock:
            found = session.clients.get(name)
            if found is None:
                found = session.clients[name] = self._make(session.identity, region, endpoint)
        return found

    def warm(self) -> None:
        """Loads what the first client needs, which takes a moment."""
        with self._lock:
            self._make(Identity("warm", "warm"), self._config.regions[0])

    def probe(self, identity: Identity) -> None:
        """Raises `Failure` unless the key signs; that it may do nothing is no failure."""
        with self._lock:
            client = self._make(identity, self._config.regions[0])
        try:
            with translated("ListBuckets"):
                client.list_buckets(MaxBuckets=1)
        except Failure as failure:
            if failure.code != "AccessDenied":
                raise
        finally:
            client.close()

    def _make(self, identity: Identity, region: str, endpoint: str | None = None) -> Any:
        import boto3
        from botocore.config import Config as ClientConfig

        if self._base is None:
            self._base = boto3.Session(region_name=self._config.regions[0])
            # The endpoint is this server's own socket on this machine, by whichever name; its
            # certificate is made out to the name that others know it by.
            warnings.filterwarnings("ignore", "Unverified HTTPS request")
        return self._base.client(
            "s3",
            endpoint_url=endpoint or self._config.endpoint,
            region_name=region,
            aws_access_key_id=identity.access_key,
            aws_secret_access_key=identity.secret_key,
            verify=False,
            config=ClientConfig(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 2},
                connect_timeout=5,
                read_timeout=120,
                max_pool_connections=32,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                user_agent_extra="bucketlog-console",
                proxies={},
            ),
        )


@contextlib.contextmanager
def translated(operation: str = "") -> Iterator[None]:
    """Raises `Failure` for what boto3 raises."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        about = error.response.get("ResponseMetadata", {})
        told = error.response.get("Error", {})
        raise Failure(
            str(told.get("Code", "Unknown")),
            str(told.get("Message", "")),
            status=int(about.get("HTTPStatusCode", 0)),
            request_id=str(about.get("RequestId", "")),
            operation=error.operation_name,
        ) from error
    except BotoCoreError as error:
        raise Failure(
            type(error).__name__, str(error), status=0, request_id="", operation=operation
        ) from error


async def call(request: Request, operation: str, /, **parameters: Any) -> dict[str, Any]:
    """What an operation answers: `await s3.call(request, "get_bucket_acl", Bucket=name)`.

    Raises `Failure`; left alone it becomes a page, or a toast where only a part of a page was
    asked for.
    """
    answer = await parts.of(request).run(
        blocking, request, operation, parts.session(request), **parameters
    )
    return answer


def blocking(
    request: Request, operation: str, session: Session, /, **parameters: Any
) -> dict[str, Any]:
    """The same on the thread that calls it."""
    with translated(operation):
        client = parts.of(request).store.client(session)
        answer: dict[str, Any] = getattr(client, operation)(**parameters)
    return answer
