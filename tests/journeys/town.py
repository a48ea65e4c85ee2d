"""The whole product in one loop against the sandbox: our server, the durable engine, and the twins, over real HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from knowledge.domain.action import Actor
from knowledge.domain.clock import SettableClock
from runtime.demo import START, Driver, Stage, operator_for, secrets_for
from runtime.sandbox import zapi_state
from runtime.sandbox.app import create_sandbox
from runtime.sandbox.phone import canonical
from runtime.sandbox.serve import serve_in_loop
from runtime.sandbox.world import Fault, WebhookTarget, World
from runtime.settings import Schedules, Settings, load_operator

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correto cavalo bateria"
ANA = Actor(kind="user", id="ana@example.com", role="manager")
RUI = Actor(kind="user", id="rui@example.com", role="admin")
NEVER = Schedules(**dict.fromkeys(Schedules.model_fields, ""))
LEAD = "+5541987650001"
HOT = (
    "Bom dia! Aqui é a Carla, da Padaria Trigo Bom",
    "11.222.333/0001-81, somos de Curitiba/PR",
    "queria ver fornos combinados",
    "preciso de 3 fornos, é urgente, já tenho a verba, pode mandar a proposta",
)
"""Four messages after which the offline SDR calls a lead hot."""


def settings_for(sandbox: str, data: Path, schedules: Schedules = NEVER, public_url: str = "http://127.0.0.1:9") -> Settings:
    """The operator's own file on the sandbox's addresses."""
    operator = operator_for(sandbox, load_operator(ROOT / "agentos.yaml"), public_url)
    return Settings(
        operator=operator.model_copy(update={"schedules": schedules}), secrets=secrets_for(data), path=ROOT / "agentos.yaml"
    )


@dataclass
class Town:
    """Short ways to live in it."""

    stage: Stage
    driver: Driver
    http: httpx.AsyncClient

    @property
    def house(self) -> Any:
        return self.stage.house

    @property
    def world(self) -> World:
        return self.stage.sandbox.state.world

    async def pass_time(self, **length: float) -> None:
        """Simulated time goes by, and everything that it brings is done."""
        await self.driver.advance(self.stage.clock.now() + timedelta(**length))

    async def says(self, words: str, phone: str = LEAD, **more: Any) -> int | None:
        """A lead writes on WhatsApp; the status of our answer to the webhook."""
        return await zapi_state.of(self.world).inbound(phone, words, name="Carla Souza", **more)

    async def writes(self, content: str | None = None, phone: str = LEAD, **more: Any) -> None:
        """A salesperson writes (or only acts) in Chatwoot."""
        body = {"conversation_id": self.desk(phone)["id"], "content": content, **more}
        answer = await self.http.post(f"{self.stage.sandbox_url}/chatwoot/_control/human", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["delivery_errors"] == []

    def fault(self, match: str, kind: str, times: int = 1, seconds: float = 30.0) -> Fault:
        self.world.faults.append(Fault(match, kind, times, seconds))
        return self.world.faults[-1]

    def book(self, section: str) -> dict[str, Any]:
        return self.world.book_sections[section]()

    def chat(self, phone: str = LEAD) -> list[tuple[str, str]]:
        """(in | out | phone, text) as the phone saw it, in the order of the twin."""
        return [(line["direction"], line["text"]) for line in self.book("whatsapp")["chats"].get(canonical(phone), [])]

    def answers(self, phone: str = LEAD) -> list[str]:
        """What reached the lead from us."""
        return [words for way, words in self.chat(phone) if way == "out"]

    def desk(self, phone: str = LEAD) -> dict[str, Any]:
        """The lead's conversation in Chatwoot."""
        rows = [r for r in self.book("chatwoot")["conversations"] if canonical(r["phone"] or "") == canonical(phone)]
        assert len(rows) == 1, f"{len(rows)} conversations at the desk"
        return rows[0]

    def notes(self, phone: str = LEAD) -> list[str]:
        return [m["content"] for m in self.desk(phone)["messages"] if m["private"]]

    async def rows(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        async with self.house.db.engine.connect() as conn:
            return [tuple(row) for row in (await conn.execute(text(sql), params)).all()]

    async def one(self, sql: str, **params: Any) -> Any:
        ((value,),) = await self.rows(sql, **params)
        return value

    async def clean(self) -> None:
        """Nothing broke on the way: no failed job, no dead letter, no request that a twin did not understand."""
        assert self.world.refusals == []
        assert self.world.delivery_errors == []
        assert await self.rows("select name, error from dbos.workflow_status where status not in ('SUCCESS')") == []
        assert await self.rows("select error from webhook_events where status <> 'processed'") == []
        assert await self.rows("select kind, status, error from actions where status in ('failed', 'executing', 'unknown')") == []


@asynccontextmanager
async def living(database_url: str, data: Path, *, schedules: Schedules = NEVER, agentos: bool = False) -> AsyncIterator[Town]:
    """Everything up, jobs launched, webhooks pointed at us. Everything is down again afterwards."""
    from runtime.cockpit.app import ensure_user
    from runtime.main import base_app, create_app
    from runtime.wiring import build_house

    sandbox = create_sandbox(seed=7, start=START, personas=False)
    world = sandbox.state.world
    world._http = httpx.AsyncClient(timeout=10, verify=False)  # spares each test the reading of certificates
    twin = await serve_in_loop(sandbox)
    clock = SettableClock(START)
    try:
        house = await build_house(settings_for(twin.url, data, schedules), database_url, clock, poll_seconds=0.02)
        try:
            for person in (ANA, RUI):
                await ensure_user(house.db, person.id, PASSWORD, person.role or "viewer", clock)
            if agentos:
                app = create_app(house, demo=True, secure_cookies=False)
            else:
                app = base_app(house, demo=False, demo_credentials=None, secure_cookies=False)
            web = await serve_in_loop(app)
            http = httpx.AsyncClient(timeout=20, verify=False)
            try:
                await house.jobs.launch()
                world.targets["zapi"] = WebhookTarget(f"{web.url}/webhooks/zapi/sandbox-zapi-path")
                world.targets["chatwoot"] = WebhookTarget(f"{web.url}/webhooks/chatwoot", "sandbox-chatwoot-secret")
                stage = Stage(sandbox, twin.url, house, clock, web.url, PASSWORD, time.monotonic())
                yield Town(stage, Driver(stage, auto_manager=False), http)
            finally:
                await http.aclose()
                await web.stop()
        finally:
            await house.close()
    finally:
        await world.close()
        await twin.stop()
