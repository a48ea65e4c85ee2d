"""POST /webhooks/{source}: verify the raw bytes, store them once, answer. Everything else happens later, in the durable queue."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from runtime.jobs.inbound import CHANNEL

if TYPE_CHECKING:
    from runtime.wiring import House

MAX_BODY = 1_000_000
"""Bytes. The largest real webhook seen is under 50 kB; media come as links."""

KEPT_HEADERS = ("content-type", "user-agent", "x-chatwoot-delivery", "x-chatwoot-timestamp", "x-hub-signature-256")


def build_inbox(house: House) -> APIRouter:
    """The one public entrance for vendors. Unknown source, missing secret and bad signature all answer alike, telling nothing."""
    router = APIRouter()

    @router.post("/webhooks/{source}")
    @router.post("/webhooks/{source}/{token}")
    async def receive(source: str, request: Request, token: str | None = None) -> Response:
        parser = house.sources.get(source)
        if parser is None:
            return _refused()
        raw = await _body(request)
        if raw is None:
            return JSONResponse({"error": f"the body is larger than {MAX_BODY} bytes"}, status_code=413)
        if not parser.verify(raw, request.headers, token):
            return _refused()
        fresh = await accept(house, source, raw, request.headers)
        return JSONResponse({"status": "accepted" if fresh else "duplicate"}, status_code=202 if fresh else 200)

    return router


async def accept(house: House, source: str, raw: bytes, headers: Mapping[str, str]) -> bool:
    """Stores the bytes and enqueues their processing in one transaction. False when exactly these bytes are stored already."""
    dedupe = hashlib.sha256(raw).hexdigest()
    kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    now = house.clock.now()
    idle = _asks_for_nothing(house, source, raw)
    async with house.db.transaction() as tx:
        event_id = await tx.webhooks.store(source, dedupe, raw, headers=kept, at=now)
        if event_id is None:
            return False
        if idle:
            await tx.webhooks.processed(event_id, at=now)
        else:
            await house.jobs.enqueue(tx.conn, "inbound", f"inbound:{event_id}", event_id)
    return True


def _asks_for_nothing(house: House, source: str, raw: bytes) -> bool:
    """Whether the payload holds only echoes of our own writes and the like, which is most of what a desk sends: kept, no job.

    A WhatsApp line's echo does ask for something: it is the only proof that a text left whose answer was lost.
    Parsing is pure and takes well under a millisecond; what cannot be parsed is left to the job, which knows the dead letters.
    """
    try:
        nothing = ("ignored",) if source in CHANNEL else ("ignored", "echo")
        return all(event.kind in nothing for event in house.sources[source].parse(raw))
    except ValueError:
        return False


async def _body(request: Request) -> bytes | None:
    """The raw body, or None when it is too large (counted while it arrives, since Content-Length is only a claim)."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _refused() -> Response:
    return JSONResponse({"error": "not found"}, status_code=404)
