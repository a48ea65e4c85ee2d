"""Live events to the browser: one reader per process polls the table, every socket gets what it has not seen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog
from fastapi import WebSocket, WebSocketDisconnect

from runtime.cockpit.auth import Forbidden, same_origin
from runtime.cockpit.regions import touched
from runtime.cockpit.web import Web
from runtime.db.cockpit_reads import CockpitReads, LiveRow

POLL = 0.1
"""Seconds between looks at the table: a primary-key look-up, once per process and only while somebody watches."""
HEARTBEAT = 20.0
OVERLAP = 200
"""Ids are given before commit, so a lower id may become visible after a higher one: look back this far each time."""
REPLAY = 500
"""Events replayed to a returning client; one that missed more is told to draw everything again."""

_log = structlog.get_logger(__name__)


class Hub:
    """Fans new rows out to the sockets of this process."""

    def __init__(self, reads: CockpitReads) -> None:
        self._reads = reads
        self._queues: set[asyncio.Queue[LiveRow]] = set()
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def watch(self) -> AsyncIterator[asyncio.Queue[LiveRow]]:
        """A queue of the rows that appear from now on."""
        queue: asyncio.Queue[LiveRow] = asyncio.Queue(maxsize=REPLAY)
        self._queues.add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read(await self._reads.last_event()))
        try:
            yield queue
        finally:
            self._queues.discard(queue)
            if not self._queues:
                self._task.cancel()
                self._task = None

    async def _read(self, last: int) -> None:
        seen: set[int] = {row.id for row in await self._reads.events_after(max(0, last - OVERLAP), OVERLAP)}
        while True:
            try:
                rows = await self._reads.events_after(max(0, last - OVERLAP), OVERLAP + REPLAY)
            except Exception as error:  # the database restarts: the page keeps its socket and catches up after
                _log.warning("cockpit.live.read_failed", error=type(error).__name__)
                await asyncio.sleep(1)
                continue
            for row in rows:
                if row.id in seen:
                    continue
                seen.add(row.id)
                last = max(last, row.id)
                for queue in self._queues:
                    with contextlib.suppress(asyncio.QueueFull):  # a stuck socket; its client resumes from its last id
                        queue.put_nowait(row)
            seen = {known for known in seen if known > last - 2 * OVERLAP}
            await asyncio.sleep(POLL)


@dataclass
class _Client:
    """What one socket has been told."""

    told: set[int] = field(default_factory=set[int])

    def news(self, row: LiveRow) -> dict[str, object] | None:
        if row.id in self.told:
            return None
        self.told.add(row.id)
        return {"id": row.id, "kind": row.kind, "regions": touched(row.kind)}


async def serve(web: Web, hub: Hub, socket: WebSocket, last: int | None) -> None:
    """One socket until it closes. `last` is the newest id that the client has seen; None means its page is fresh."""
    try:
        same_origin(socket)
        if socket.headers.get("origin") is None:
            raise Forbidden("error.csrf")
    except Forbidden:
        await socket.close(code=4403)
        return
    if await web.guard.session(socket) is None:
        await socket.accept()
        await socket.close(code=4401)
        return
    await socket.accept()
    client = _Client()
    async with hub.watch() as queue:
        newest = await web.reads.last_event()
        missed = [] if last is None or last > newest else await web.reads.events_after(last, REPLAY + 1)
        await socket.send_json({"id": newest, "kind": "hello", "all": len(missed) > REPLAY or (last or 0) > newest})
        for row in missed[:REPLAY]:
            await _tell(socket, client, row)
        gone = asyncio.create_task(_drain(socket))
        news = asyncio.create_task(queue.get())
        try:
            while True:
                await asyncio.wait({gone, news}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                if news.done():
                    await _tell(socket, client, news.result())
                    news = asyncio.create_task(queue.get())
                elif await web.guard.session(socket) is None:
                    await socket.close(code=4401)
                    return
                else:
                    await socket.send_json({"kind": "beat"})
        except (WebSocketDisconnect, RuntimeError):
            return  # the browser left between two sends
        finally:
            gone.cancel()
            news.cancel()


async def _tell(socket: WebSocket, client: _Client, row: LiveRow) -> None:
    news = client.news(row)
    if news is not None:
        await socket.send_json(news)


async def _drain(socket: WebSocket) -> None:
    """Reads until the browser closes; it has nothing to say."""
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, RuntimeError, KeyError):
        return
