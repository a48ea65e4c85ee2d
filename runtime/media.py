"""Where pictures live. The embedded default keeps them on local disk and serves them at /media."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

_PLAIN = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


class LocalMedia:
    """tools.ports.MediaStore on a folder. `public_url` is where this installation is reached from outside."""

    def __init__(self, root: Path, public_url: str) -> None:
        self.root = root
        self._url = public_url.rstrip("/")
        root.mkdir(parents=True, exist_ok=True)

    async def put(self, path: str, data: bytes, content_type: str) -> str:
        """Writes the bytes (whole or not at all) and returns their URL. Raises ValueError for a path that leaves the folder."""
        if not _PLAIN.fullmatch(path) or ".." in path.split("/"):
            raise ValueError(f"path: {path!r} may hold letters, digits, dot, dash and slash only")
        await asyncio.to_thread(self._write, path, data)
        return f"{self._url}/media/{path}"

    def _write(self, path: str, data: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(target.name + ".part")
        half.write_bytes(data)
        half.replace(target)
