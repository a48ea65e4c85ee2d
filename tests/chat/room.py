"""The CEO's chat on a gate of the test's own: real Postgres, a platform in memory, and the offline model through Agno."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from knowledge.domain.action import Actor
from knowledge.domain.clock import Clock
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from prompts.messages import render
from runtime.db.gate_books import PgGateBooks
from runtime.db.uow import Database
from runtime.wiring import House
from tests.gate.house import ANA, BUYER, Bench, brl, budget
from tests.journeys.town import settings_for
from tools.gate import Gate, Outcome, Receipt

PIA = "Pia pia-meta"
"""The name of the campaign that `Bench.running` starts."""


@dataclass
class Room:
    """People and the CEO. `says` gives the CEO's answer."""

    bench: Bench
    house: House
    person: Actor = ANA

    async def says(self, text: str, who: Actor | None = None, conversation: str = "cockpit") -> str:
        return (await self.house.ask(who or self.person, text, "pt-BR", conversation)).text

    async def acted(self, text: str, who: Actor | None = None) -> tuple[str, ...]:
        return (await self.house.ask(who or self.person, text, "pt-BR")).action_ids

    async def asked(self, amount: str = "130", key: str = "k1", campaign_id: str = "pia-meta", by: Actor = BUYER) -> str:
        """A request to change the budget of a running campaign of R$ 100 a day; its id."""
        if f"x-{campaign_id}" not in self.bench.ads.campaigns:
            await self.bench.running(campaign_id, "100")
        receipt: Receipt = await self.bench.submit(budget(amount, campaign_id), key, by)
        assert receipt.status == "waiting", receipt
        return receipt.action_id

    async def status(self, action_id: str) -> str:
        return (await self.bench.action(action_id)).status

    def spends(self, campaign_id: str = "pia-meta") -> str:
        """The daily budget at the platform."""
        found = self.bench.ads.campaigns[f"x-{campaign_id}"].daily_budget
        assert found is not None
        return str(found.amount)

    async def offers(self) -> list[str]:
        """How each question of the chat ended; "open" for those that wait."""
        return [str(e or "open") for (e,) in await self.bench.rows("select ending from chat_offers order by made_at, closed_at")]


def house_of(db: Database, gate: Gate, clock: Clock, policy: Policy, data: Path) -> House:
    """The real house as far as talking needs it: no jobs, no vendors but the gate's own."""
    settings, nothing, core = settings_for("http://127.0.0.1:9", data), cast(Any, None), gate._core
    return House(
        settings=settings, clock=clock, db=db, books=cast(PgGateBooks, core.books), effects=core.effects, gate=gate,
        jobs=nothing, sources={}, library=nothing, media=nothing, agno_db=None, _policy=policy,
    )  # fmt: skip


def room_of(bench: Bench, data: Path) -> Room:
    return Room(bench, house_of(bench.db, bench.gate, bench.clock, bench.policy, data))


def words(message_id: str, locale: str = "pt-BR", **params: Any) -> str:
    """The house's sentence of an id."""
    return render(Message(id=message_id, params=params), locale)


def said(outcome: Outcome, locale: str = "pt-BR") -> str:
    """The gate's own sentence."""
    return render(outcome.message, locale)


def ids_in(text: str) -> list[str]:
    """The actions that an answer cites."""
    return re.findall(r"\[actions:([0-9a-f-]{36})\]", text)


__all__ = ["ANA", "PIA", "Room", "brl", "house_of", "ids_in", "room_of", "said", "words"]
