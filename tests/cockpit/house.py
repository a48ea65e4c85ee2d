"""The cockpit on a real port over a real database, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from knowledge.domain.action import Actor
from knowledge.domain.clock import SettableClock
from knowledge.domain.policy import Policy
from runtime.api import PREFIX, build_api
from runtime.cockpit.app import ChatAnswer, ChatPort, CockpitDeps, CockpitSettings, build_router, ensure_user
from runtime.db.engine import make_engine
from runtime.db.uow import Database
from tests.cockpit.seed import POLICY, make_gate, say, seed

PEOPLE = {"viewer": "ver@loja.example", "manager": "gestora@loja.example", "admin": "dona@loja.example"}
PASSWORD = "uma-senha-longa"
SECRET = "a secret of the tests, long enough to sign with"


class Echo:
    """A chat that cites one row and repeats the question."""

    async def ask(self, user: Actor, text: str, locale: str) -> ChatAnswer:
        told = "O ROAS real de 7 dias é 2,0." if locale == "pt-BR" else "The 7-day real ROAS is 2.0."
        return ChatAnswer(f"{told} ({text})", ({"platform": "google", "roas": "3.10", "orders": 4},))


class House:
    """A running cockpit. `run` performs a coroutine in the server's loop, where its database connections live."""

    def __init__(
        self, database_url: str, start: datetime, *, seeded: bool = True, prefix: str = "", ceo: Path | None = None, **settings: Any
    ) -> None:
        """`ceo` is a folder for the CEO's house: with it the chat is the CEO's own, offline, on this cockpit's gate."""
        self._ceo = ceo
        self.clock = SettableClock(start)
        self.ids: dict[str, str] = {}
        self._database_url = database_url
        self._seeded = seeded
        self._prefix = prefix
        self._settings: dict[str, Any] = {"policy": POLICY, "secure_cookies": False} | settings
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._main, daemon=True)

    @property
    def policy(self) -> Policy:
        return self._settings["policy"]

    def __enter__(self) -> House:
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self._ready.is_set():
            if self._failed is not None or not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the cockpit did not come up") from self._failed
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=20)

    def run(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(timeout=30)

    def emit(self, kind: str, payload: dict[str, Any]) -> None:
        """A live event, as the gate would leave it."""

        async def put() -> None:
            async with self.database.transaction() as tx:
                tx.live_events.publish(kind, payload, at=self.clock.now())

        self.run(put)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failed = error

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.database = Database(make_engine(self._database_url, pool_size=5, max_overflow=15))
        self.gate, self.ads = make_gate(self.database, self.clock)
        for role, email in PEOPLE.items():
            await ensure_user(self.database, email, PASSWORD, role, self.clock)  # pyright: ignore[reportArgumentType]
        if self._seeded:
            self.ids = await seed(self.database, self.gate, self.clock)
        app = FastAPI(openapi_url=None)
        chat: ChatPort = Echo()
        if self._ceo is not None:
            from tests.chat.room import house_of

            chat = house_of(self.database, self.gate, self.clock, self.policy, self._ceo)
        deps = CockpitDeps(self.database, self.clock, self.gate, chat, CockpitSettings(**self._settings), self._prefix, render=say)
        app.include_router(build_router(deps))
        app.mount(PREFIX, build_api(deps, SECRET))
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not serving.done():  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
        self._ready.set()
        await serving
        await self.database.dispose()
