"""A small S3 endpoint that lists and gives objects, and fails as a test says.

It knows one bucket, path style, and checks no signature; it keeps what it was asked.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

_DATE = "Tue, 03 Mar 2026 04:05:06 GMT"


class TroubledS3:
    """`troubles` maps a key to the statuses its next GETs are answered with; 200 is no trouble.

    The last status is repeated for ever. "cut" closes the connection in the middle of the body;
    "changed" gives another ETag each time. A key of "?" is the listing itself.
    """

    def __init__(self, objects: Mapping[str, bytes], page: int = 1000) -> None:
        self.objects = dict(objects)
        self.page = page
        self.troubles: dict[str, list[int | str]] = {}
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.gone: set[str] = set()
        self.release = threading.Event()
        self._lock = threading.Lock()
        self._in_flight = 0
        self.most_in_flight = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> TroubledS3:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def trouble(self, key: str) -> int | str:
        """What is to befall this request."""
        with self._lock:
            left = self.troubles.get(key, [200])
            return left.pop(0) if len(left) > 1 else left[0]

    def count(self, change: int) -> None:
        """Counts requests that are being answered."""
        with self._lock:
            self._in_flight += change
            self.most_in_flight = max(self.most_in_flight, self._in_flight)

    def listed(self, query: Mapping[str, list[str]]) -> bytes:
        """A page of ListObjectsV2."""
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        here, is_cut = keys[: self.page], len(keys) > self.page
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.objects[key])}</Size>"
            f"<LastModified>2026-03-03T04:05:06.000Z</LastModified><ETag>&quot;e&quot;</ETag>"
            "</Contents>"
            for key in here
        )
        token = f"<NextContinuationToken>{escape(''.join(here[-1:]))}</NextContinuationToken>"
        return (
            '<?xml version="1.0"?><ListBucketResult><Name>logs</Name>'
            f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>{token if is_cut else ''}"
            f"{entries}</ListBucketResult>"
        ).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                store.count(1)
                try:
                    self._answer()
                finally:
                    store.count(-1)

            def _answer(self) -> None:
                url = urlsplit(self.path)
                key = unquote(url.path).removeprefix("/").partition("/")[2]
                store.asked.append((key or "?", dict(self.headers)))
                trouble = store.trouble(key or "?")
                if trouble == "hang":
                    store.release.wait()
                    trouble = 503
                if isinstance(trouble, int) and trouble != 200:
                    self._refuse(trouble)
                elif not key:
                    self._send(200, store.listed(parse_qs(url.query)))
                elif key not in store.objects or key in store.gone:
                    self._refuse(404)
                else:
                    self._give(store.objects[key], trouble)

            def _give(self, data: bytes, trouble: int | str) -> None:
                etag = hashlib.md5(data).hexdigest()
                if trouble == "changed":
                    etag = hashlib.md5(str(len(store.asked)).encode()).hexdigest()
                wanted = self.headers.get("If-Match")
                if wanted is not None and wanted != f'"{etag}"':
                    return self._refuse(412)
                extra, status = {"ETag": f'"{etag}"', "Last-Modified": _DATE}, 200
                asked = self.headers.get("Range")
                if asked is not None:
                    first, _, last = asked.removeprefix("bytes=").partition("-")
                    end = min(int(last) + 1, len(data))
                    extra["Content-Range"] = f"bytes {first}-{end - 1}/{len(data)}"
                    data, status = data[int(first) : end], 206
                self._send(status, data, extra, is_cut=trouble == "cut")
                return None

            def _refuse(self, status: int) -> None:
                code = {403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}.get(
                    status, "SlowDown"
                )
                body = f"<Error><Code>{code}</Code><Message>{quote(code)}</Message></Error>"
                self._send(status, body.encode())

            def _send(
                self,
                status: int,
                body: bytes,
                extra: Mapping[str, str] | None = None,
                is_cut: bool = False,
            ) -> None:
                self.send_response(status)
                for name, value in (extra or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body[: len(body) // 2] if is_cut else body)
                self.close_connection = is_cut

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
