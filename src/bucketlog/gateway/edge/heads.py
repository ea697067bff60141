"""Request heads: bytes up to the empty line in, a `Head` out.

llhttp in strict mode judges the syntax; what it doesn't judge is judged here: the version, the
Host header (RFC 9112 section 3.2), the form of the target, transfer codings other than chunked.
Only whole heads are given to the parser and none of it is left over, so one parser serves all
connections, and no byte is ever read in two ways: after a refusal the connection ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import httptools

from bucketlog.gateway.edge.limits import Limits
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Request

CHUNKED = -1
"""The `length` of a body whose end is marked by chunked coding."""

_SLASH = ord("/")
_H = ord("H")
_FRAMING = ("connection", "content-length", "transfer-encoding")
_LENGTH_DIGITS = 19
_REMEMBERED = 4096  # header names, hosts: what clients may make us remember
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_REQUEST_LINE = re.compile(
    rb"(" + _TOKEN + rb"{1,64}) ([^\x00-\x20\x7f]+) (HTTP/[0-9]\.[0-9])\r?\n"
)
_FIELD = re.compile(rb"^(" + _TOKEN + rb"+):[ \t]*([^\x00\r\n]*?)[ \t]*\r$", re.MULTILINE)
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_ABSOLUTE = re.compile(r"https?://[^/?#]+(?:[/?]|$)", re.IGNORECASE)


Head = tuple[Request, int, bool, bool, S3Error | None]
"""One parsed head: request, length, close, expects, refusal.

`length` is that of the body: bytes, or CHUNKED. `close`: the connection ends after the reply.
`expects`: the client waits for 100 Continue. `refusal`: what is wrong with the request, None if
nothing is; `request` then holds what could be read of it. (A plain tuple: a NamedTuple costs
0.15 us more to make.)
"""


class _Names(dict[bytes, str]):
    """Header names as sent -> lower-case text, remembered up to a bound."""

    def __missing__(self, name: bytes) -> str:
        text = name.decode("latin-1").lower()
        if len(self) < _REMEMBERED:
            self[name] = text
        return text


class _Callbacks:
    """What llhttp calls: methods of a list and a dict, so no Python frame runs per header.

    Of a repeated header the dict keeps the first; the count of lines tells that one was lost.
    """

    def __init__(
        self,
        on_url: Callable[[bytes], object],
        on_header: Callable[[bytes, bytes], object],
    ) -> None:
        self.on_url = on_url
        self.on_header = on_header


class HeadParser:
    """Parses heads, one whole head a call."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._names = _Names()
        self._hosts: set[str] = set()
        self._methods: dict[bytes, str] = {}
        self._targets: list[bytes] = []
        self._fields: dict[bytes, bytes] = {}
        self._callbacks = _Callbacks(self._targets.append, self._fields.setdefault)
        self._parser = httptools.HttpRequestParser(self._callbacks)

    def parse(self, head: bytes) -> Head | None:
        """The head in `head`: a request line, headers, an empty line, and nothing behind it.

        None when there is not even a request line to answer to.
        """
        fields, targets, parser = self._fields, self._targets, self._parser
        fields.clear()
        targets.clear()
        upgrade = False
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            upgrade = True  # not offered: answered as an ordinary request, then closed
        except httptools.HttpParserError as error:
            self._renew()
            line = _REQUEST_LINE.match(head)
            if line is not None and not line[2].isascii():
                return self._escaped(head, line)
            unknown = isinstance(error, httptools.HttpParserInvalidMethodError)
            return refuse(head, S3Error("MethodNotAllowed") if unknown else malformed())
        names = self._names
        # llhttp takes off the spaces before a value, not those behind it.
        headers = {names[name]: value.rstrip().decode("latin-1") for name, value in fields.items()}
        lines = head.count(b"\n") - 2
        if len(headers) != lines:
            headers = _joined(head)
        number = parser.get_http_version()
        method = parser.get_method()
        version = "HTTP/1.1" if number == "1.1" else f"HTTP/{number}"
        request = Request(
            self._methods.get(method) or self._method(method),
            targets[0].decode("latin-1") if targets else "",
            version,
            headers,
        )
        if (
            number == "1.1"
            and lines <= self._limits.head_lines
            and headers.get("host") in self._hosts
            and head[len(method) + 1] == _SLASH  # the target, between single spaces
            and head[len(method) + len(targets[0]) + 2] == _H
            and len(headers) == lines
        ):
            if not upgrade and headers.keys().isdisjoint(_FRAMING):
                return request, 0, False, False, None
            return self._framed(request, upgrade, None)
        return self._framed(request, upgrade, self._judge(request, head, lines))

    def _escaped(self, head: bytes, line: re.Match[bytes]) -> Head | None:
        """A head whose target isn't ASCII, which llhttp refuses and S3 takes: clients that forget
        to encode send UTF-8 as it is. It is judged as if it were encoded, and kept as it came.
        """
        target = _NOT_ASCII.sub(lambda byte: b"%%%02X" % ord(byte[0]), line[2])
        parsed = self.parse(head[: line.start(2)] + target + head[line.end(2) :])
        if parsed is not None:
            parsed[0].target = line[2].decode("latin-1")
        return parsed

    def _framed(self, request: Request, upgrade: bool, refusal: S3Error | None) -> Head:
        """The head of `request`, with what its headers say of body and connection."""
        get = request.headers.get
        coding, size, connection = (
            get("transfer-encoding"),
            get("content-length"),
            get("connection"),
        )
        length = 0
        if size is not None:
            if len(size) <= _LENGTH_DIGITS:
                length = int(size)
            else:  # llhttp lets any number of zeros lead, and int() takes 4,300 digits at most
                refusal = refusal or malformed()
        if coding is not None:
            length = CHUNKED
            if coding.lower() != "chunked":
                refusal = refusal or S3Error("NotImplemented")
            elif request.version != "HTTP/1.1":  # RFC 9112 section 6.1: faulty framing
                refusal = refusal or malformed()
        close = upgrade or refusal is not None
        old = request.version != "HTTP/1.1"
        if connection is not None or old:
            tokens = [token.strip() for token in (connection or "").lower().split(",")]
            close = close or "close" in tokens or (old and "keep-alive" not in tokens)
        if length or close or upgrade or connection is not None or old:
            self._renew()  # this one waits for the body, or for the end
        expects = length != 0 and not old and get("expect", "").lower() == "100-continue"
        return request, length, close, expects, refusal

    def _judge(self, request: Request, head: bytes, lines: int) -> S3Error | None:
        """What is wrong with a head that llhttp lets through."""
        if lines > self._limits.head_lines:
            return S3Error("RequestHeaderSectionTooLarge")
        if request.version not in ("HTTP/1.1", "HTTP/1.0"):
            return malformed()
        target = request.target
        if not head.startswith(f"{request.method} {target} H".encode("latin-1")):
            return malformed()  # llhttp lets several spaces pass
        if target[:1] != "/" and not _ABSOLUTE.match(target):
            if request.method == "CONNECT":
                return S3Error("MethodNotAllowed")
            if target != "*" or request.method != "OPTIONS":
                return malformed()
        host = request.headers.get("host")
        if host is None:
            return malformed() if request.version == "HTTP/1.1" else None
        if head.lower().count(b"\r\nhost:") != 1 or not _HOST.fullmatch(host):
            return malformed()
        if len(self._hosts) < _REMEMBERED:
            self._hosts.add(host)
        return None

    def _method(self, method: bytes) -> str:
        text = self._methods[method] = method.decode("ascii")
        return text

    def _renew(self) -> None:
        self._parser = httptools.HttpRequestParser(self._callbacks)


def malformed() -> S3Error:
    """The refusal of a request that isn't well-formed HTTP."""
    return S3Error("BadRequest", "An error occurred when parsing the HTTP request.")


def refuse(head: bytes, refusal: S3Error) -> Head | None:
    """A head that is refused, with what can be read of it; None without a request line.

    Headers are those of whole, well-formed lines: enough to know the bucket and the client.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        return None
    method, target, version = (part.decode("latin-1") for part in line.groups())
    headers: dict[str, str] = {}
    bare = _BARE_LINE_FEED.search(head)
    if bare is not None:  # what stands behind it may belong to anything
        head = head[: bare.start()]
    for match in _FIELD.finditer(head, line.end()):
        name, value = match[1].decode("latin-1").lower(), match[2].decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return Request(method, target, version, headers), 0, True, False, refusal


def hopeless(partial: bytes) -> bool:
    """Whether no further byte can make a proper head of this beginning of one."""
    return _BARE_LINE_FEED.search(partial) is not None


def _joined(head: bytes) -> dict[str, str]:
    """The headers of a head that llhttp found proper: repeated ones joined, values trimmed."""
    headers: dict[str, str] = {}
    for line in head[:-4].split(b"\r\n")[1:]:
        label, _, content = line.partition(b":")
        name, value = label.decode("latin-1").lower(), content.strip(b" \t").decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers
