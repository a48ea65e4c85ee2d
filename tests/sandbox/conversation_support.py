"""What the conversation twins' tests share: the twins on a real port, a receiver of webhooks, and shorthand for their clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response

from runtime.sandbox import chatwoot, chatwoot_state, openai_api, piperun, zapi, zapi_state
from runtime.sandbox.serve import serve_in_loop
from runtime.sandbox.world import WebhookTarget, World

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
INSTANCE = f"/zapi/instances/{zapi_state.INSTANCE_ID}/token/{zapi_state.INSTANCE_TOKEN}"
ZAPI_HEADERS = {"Client-Token": zapi_state.CLIENT_TOKEN}
ACCOUNT = f"/chatwoot/api/v1/accounts/{chatwoot_state.ACCOUNT_ID}"
USER = {"api-access-token": chatwoot_state.USER_TOKEN}
BOT = {"api-access-token": chatwoot_state.BOT_TOKEN}
PIPE = {"token": piperun.TOKEN}


@dataclass
class Received:
    """One webhook as it arrived."""

    source: str
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Twins:
    """The running twins, an HTTP client on them, and what their webhooks brought."""

    world: World
    url: str
    http: httpx.AsyncClient
    inbox: list[Received] = field(default_factory=list)
    answer: int = 200
    on_hook: Callable[[Received], Awaitable[None]] | None = None

    async def after(self, **time: float) -> None:
        """Moves simulated time on."""
        await self.world.advance(self.world.now + timedelta(**time))

    def of(self, source: str, **wanted: Any) -> list[dict[str, Any]]:
        """The payloads of a source whose fields match."""
        rows = [r.json for r in self.inbox if r.source == source]
        return [row for row in rows if all(row.get(k) == v for k, v in wanted.items())]

    async def send(self, phone: str, text: str, **more: Any) -> dict[str, Any]:
        """One text through Z-API."""
        answer = await self.http.post(INSTANCE + "/send-text", json={"phone": phone, "message": text, **more}, headers=ZAPI_HEADERS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def conversation(self, phone: str = "+5544999990000", **more: Any) -> dict[str, Any]:
        """A contact and a conversation in Chatwoot."""
        made = await self.http.post(
            ACCOUNT + "/contacts",
            json={"inbox_id": chatwoot_state.INBOX_ID, "name": "Rute", "phone_number": phone, "source_id": phone},
            headers=USER,
        )
        assert made.status_code == 200, made.text
        contact = made.json()["payload"]["contact"]
        body = {"source_id": phone, "inbox_id": chatwoot_state.INBOX_ID, "contact_id": contact["id"], **more}
        answer = await self.http.post(ACCOUNT + "/conversations", json=body, headers=USER)
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def running(seed: int = 11, start: datetime = START) -> AsyncIterator[Twins]:
    """The four twins and a webhook receiver on a free loopback port."""
    world = World(seed, start)
    app = FastAPI()
    for prefix, twin in (("/zapi", zapi), ("/chatwoot", chatwoot), ("/piperun", piperun), ("/openai", openai_api)):
        app.include_router(twin.router(world), prefix=prefix)
    world._http = httpx.AsyncClient(timeout=10, verify=False)  # spares each test the reading of certificates
    twins = Twins(world, "", world._http)

    @app.post("/hook/{source}")
    async def hook(source: str, request: Request) -> Response:
        received = Received(source, await request.body(), dict(request.headers))
        twins.inbox.append(received)
        if twins.on_hook is not None:
            await twins.on_hook(received)
        return Response(status_code=twins.answer)

    server = await serve_in_loop(app)
    twins.url = server.url
    twins.http = httpx.AsyncClient(base_url=server.url, timeout=10, verify=False)
    world.targets["zapi"] = WebhookTarget(f"{server.url}/hook/zapi")
    world.targets["chatwoot"] = WebhookTarget(f"{server.url}/hook/chatwoot", "desk-secret")
    try:
        yield twins
    finally:
        await twins.http.aclose()
        await world.close()
        await server.stop()
        await asyncio.sleep(0)
