"""Static files from memory: hashed addresses, ETag, gzip made once. Nothing is read from disk while serving."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request, Response

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
}
STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class _File:
    body: bytes
    zipped: bytes | None
    etag: str
    kind: str


class Assets:
    """Every file under static/ whose type a page may load."""

    def __init__(self, prefix: str, folder: Path = STATIC) -> None:
        self._prefix = prefix
        self._files: dict[str, _File] = {}
        for path in sorted(folder.rglob("*")):
            kind = _TYPES.get(path.suffix)
            if kind is None or not path.is_file():
                continue
            body = path.read_bytes()
            zipped = None if path.suffix == ".woff2" else gzip.compress(body, 9, mtime=0)
            etag = hashlib.sha256(body).hexdigest()[:16]
            self._files[path.relative_to(folder).as_posix()] = _File(body, zipped, etag, kind)

    def url(self, name: str) -> str:
        """Address with the content's hash, so that browsers may keep it for ever. Raises KeyError for an unknown file."""
        return f"{self._prefix}/static/cockpit/{name}?v={self._files[name].etag}"

    def serve(self, name: str, request: Request) -> Response:
        """The file, 304 when the browser has it, 404 when there is none."""
        file = self._files.get(name)
        if file is None:
            return Response(status_code=404)
        hashed = request.query_params.get("v") == file.etag
        headers = {
            "ETag": f'"{file.etag}"',
            "Cache-Control": "public, max-age=31536000, immutable" if hashed else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if file.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = file.body
        if file.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = file.zipped, "gzip"
        return Response(body, media_type=file.kind, headers=headers)
