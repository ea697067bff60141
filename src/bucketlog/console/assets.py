"""Style sheets, scripts, icons and fonts out of the package, under addresses made of their content.

Everything lies in one folder named for the digest of all of it, so relative imports between
modules and sprites work, and browsers may keep what they have for ever.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"

_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml", ".css": "text/css"}
_WORTH_PACKING = 1000


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    type: str
    content: bytes
    packed: bytes | None


class Assets:
    """All files of a folder, in memory."""

    def __init__(self, folder: Path = FOLDER) -> None:
        digest = hashlib.sha256()
        self._files: dict[str, Asset] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name, content = path.relative_to(folder).as_posix(), path.read_bytes()
                digest.update(f"{name}\0{len(content)}\0".encode() + content)
                self._files[name] = _asset(path, content)
        self.digest = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of a file; KeyError when there is none of that name."""
        _ = self._files[name]
        return f"/static/{self.digest}/{name}"

    async def answer(self, request: Request) -> Response:
        """Serves `/static/{digest}/{name:path}`."""
        found = self._files.get(request.path_params["name"])
        if found is None or request.path_params["digest"] != self.digest:
            return Response("not here\n", 404, {"Cache-Control": "no-store"}, "text/plain")
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
            "ETag": f'"{self.digest}"',
        }
        if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(found.packed, headers=headers, media_type=found.type)
        return Response(found.content, headers=headers, media_type=found.type)


def _asset(path: Path, content: bytes) -> Asset:
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
    if kind.startswith("text/") or kind.endswith("xml"):
        packed = gzip.compress(content, 9, mtime=0) if len(content) > _WORTH_PACKING else None
        return Asset(f"{kind}; charset=utf-8", content, packed)
    return Asset(kind, content, None)
