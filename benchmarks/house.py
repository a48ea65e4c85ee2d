"""What needs the whole house: a webhook's acceptance, one lead turn. On an embedded Postgres of the bench's own."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

from benchmarks.measure import Row, apair, row

EACH = 20
LEAD = "5541987650001"


async def with_database(bench: Callable[[str, Path, int], Awaitable[list[Row]]], rounds: int) -> list[Row]:
    """Runs a bench on a fresh, migrated Postgres with its durability on, as in production."""
    from runtime.db.embedded import EmbeddedPostgres
    from runtime.db.migrate import migrate_async

    with tempfile.TemporaryDirectory(prefix="ceo-bench-") as folder:
        os.chmod(folder, 0o755)  # Postgres runs as a user of its own when we are root
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            await migrate_async(server.url)
            return await bench(server.url, Path(folder), rounds)


async def _resting_house(url: str, folder: Path) -> Any:
    """A house whose durable engine has its tables but takes no work, so that only what is measured runs."""
    from knowledge.domain.clock import SettableClock
    from runtime.demo import START
    from runtime.wiring import build_house
    from tests.journeys.town import living, settings_for

    async with living(url, folder):
        pass
    return await build_house(settings_for("http://127.0.0.1:9", folder), url, SettableClock(START))


def _webhook(number: int, words: str = "Vocês fazem mesa de inox sob medida?") -> bytes:
    from runtime.sandbox import zapi_state

    payload = {
        "type": "ReceivedCallback", "instanceId": zapi_state.INSTANCE_ID, "messageId": f"3EB0{uuid.uuid4().hex}", "phone": LEAD,
        "fromMe": False, "fromApi": False, "isGroup": False, "isNewsletter": False, "isStatusReply": False, "broadcast": False,
        "isEdit": False, "waitingMessage": False, "momment": 1795431600000 + number, "status": "RECEIVED",
        "senderName": "Dalva Moreira", "chatName": "Dalva", "connectedPhone": "551140028922", "text": {"message": words},
    }  # fmt: skip
    return json.dumps(payload).encode()


async def webhook(url: str, folder: Path, rounds: int) -> list[Row]:
    """POST of a new Z-API message until our answer (verified, stored, enqueued), against a route that only stores it."""
    import httpx
    from sqlalchemy import text

    from runtime.inbox import build_inbox

    house = await _resting_house(url, folder)
    ours, bare = FastAPI(), FastAPI()
    ours.include_router(build_inbox(house))

    @bare.post("/bare")
    async def store(request: Request) -> dict[str, str]:  # pyright: ignore[reportUnusedFunction]
        body = await request.body()
        async with house.db.engine.begin() as conn:
            await conn.execute(
                text(
                    "insert into webhook_events (id, source, dedupe_key, raw, headers, received_at, status)"
                    " values (:id, 'bench', :key, :raw, '{}', now(), 'processed')"
                ),
                {"id": uuid.uuid4(), "key": uuid.uuid4().hex, "raw": body},
            )
        return {"status": "stored"}

    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(ours), base_url="http://house") as to_house,
        httpx.AsyncClient(transport=httpx.ASGITransport(bare), base_url="http://bare") as to_bare,
    ):

        async def send(client: httpx.AsyncClient, path: str, number: int, expected: int) -> None:
            answer = await client.post(path, content=_webhook(number))
            if answer.status_code != expected:
                raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text}")

        path = "/webhooks/zapi/sandbox-zapi-path"
        times = await apair(lambda n: send(to_house, path, n, 202), lambda n: send(to_bare, "/bare", n, 200), rounds, EACH)
    await house.close()
    return [
        row("webhook accepted", *times, "FastAPI route with one INSERT", p95_ms=1000 * sorted(times[0])[int(0.95 * len(times[0]))])
    ]


async def turn(url: str, folder: Path, rounds: int) -> list[Row]:
    """Mailbox read, SDR run on the offline model, text through the gate and sent; against Agno's own persisted run."""
    from agno.agent import Agent

    from agents import offline_brain
    from agents.models import build_model
    from runtime.jobs import inbound, turns
    from tests.gate.house import FakeMessenger
    from tools.effects import Ports

    house = await _resting_house(url, folder)
    house.effects.ports = Ports(messenger=FakeMessenger())
    words = "Bom dia! Queria ver fornos combinados para a padaria"
    agent = Agent(model=build_model("offline", offline_brain=offline_brain("sdr")), db=house.agno_db, telemetry=False)
    runner: Any = agent

    async def ours(number: int) -> None:
        # A lead of its own each time: a conversation that only grows would compare history lengths.
        raw = _webhook(number, words).replace(LEAD.encode(), f"55419{number:08d}".encode())
        (event,) = house.sources["zapi"].parse(raw)
        await inbound.take(house, event)
        async with house.db.transaction() as tx:
            conversation = (await tx.conversations.list())[0]
        found[number] = conversation.id

    found: dict[int, str] = {}
    for number in range(1, (rounds + 1) * EACH * 2 + 1):
        await ours(number)

    async def answer(number: int) -> None:
        thought = await turns.think(house, found[number], 1)
        if thought is None or not (await turns.speak(house, found[number], thought))["sent"]:
            raise RuntimeError(f"the turn sent nothing: {thought}")

    async def bare(number: int) -> None:
        await runner.arun(input=words, stream=False, session_id=f"bench:{number}", user_id=str(number))

    times = await apair(answer, bare, rounds, EACH)
    await house.close()
    return [row("one lead turn, offline model", *times, "Agno's own persisted arun, same model")]
