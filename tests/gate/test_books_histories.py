"""Random histories told to both kinds of books step by step: after every step they give the same answers and the same facts."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from knowledge.domain.action import Action, ResumeCampaign
from knowledge.domain.books import ActionRecord, GateTx, Status
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.facts import KillSwitch
from knowledge.domain.money import Money
from runtime.db.engine import make_engine
from tests.conftest import START
from tests.gate.books_pair import MemoryShelf, PostgresShelf, Shelf, record, ticket_for
from tests.gate.house import ANA, BUYER, RUI, budget, pause, policy_with, publication

STEPS = 60
NAMES = ("a", "b", "c", "B-odd", "ä")
"""Also names that two collations would put in another order."""


@pytest.fixture
async def shelves(database_url: str) -> AsyncIterator[tuple[Shelf, Shelf]]:
    engine = make_engine(database_url, pool_size=3, max_overflow=5)
    real = PostgresShelf(engine)
    yield MemoryShelf(), real
    await real.close()
    await engine.dispose()


def plain(value: Any) -> Any:
    """An answer in values that compare, whichever books gave it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def differences(one: Any, two: Any, place: str = "") -> list[str]:
    """Where two answers differ, and how."""
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        return [line for key in one for line in differences(one[key], two[key], f"{place}.{key}")]
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        return [line for n, pair in enumerate(zip(one, two, strict=True)) for line in differences(*pair, f"{place}[{n}]")]
    return [] if one == two else [f"{place}: memory {one!r}, Postgres {two!r}"]


async def one_batch(tx: GateTx, correlation_id: str) -> list[str]:
    """The done actions of one cause; those that were closed in the same moment have no order of their own."""
    return [f"{r.closed_at} {r.id}" for r in sorted(await tx.batch(correlation_id), key=lambda r: (r.closed_at or START, r.id))]


class History:
    """What has happened so far, as both books must know it. Every choice comes from one seed."""

    def __init__(self, shelves: tuple[Shelf, Shelf], seed: int) -> None:
        self.shelves, self.chance, self.now = shelves, random.Random(seed), START
        self.budgets: dict[str, int] = {}
        self.running: dict[str, bool] = {}
        self.records: list[ActionRecord] = []
        self.status: dict[str, Status] = {}
        self.kills: list[str] = []
        self.policy = policy_with()

    async def both(self, ask: Callable[[GateTx], Awaitable[Any]], what: str) -> Any:
        """The one answer of both books."""
        answers: list[Any] = []
        for shelf in self.shelves:
            async with shelf.books.transaction() as tx:
                answers.append(await ask(tx))
        assert differences(plain(answers[0]), plain(answers[1])) == [], what
        return answers[0]

    def seen(self, name: str) -> PlatformCampaign:
        delivery = "active" if self.running[name] else "paused"
        amount = Money(minor=self.budgets[name], currency="BRL")
        return PlatformCampaign(
            platform="meta", external_id=f"x-{name}", name=name, delivery=delivery, daily_budget=amount, read_at=self.now
        )  # fmt: skip

    def wanted(self) -> Action:
        """Something somebody may want of a campaign."""
        if not self.budgets or self.chance.random() < 0.15:
            return publication(self.chance.choice(NAMES), str(self.chance.randint(10, 90)))
        name = self.chance.choice(sorted(self.budgets))
        minor = max(100, self.budgets[name] + self.chance.randint(-3000, 3000))
        return self.chance.choice(
            [budget(f"{minor // 100}.{minor % 100:02d}", name), pause(name), ResumeCampaign(platform="meta", campaign_id=name)]
        )  # fmt: skip

    # -- what may happen ------------------------------------------------------------------------------------------------------

    async def time(self) -> None:
        self.now += timedelta(minutes=self.chance.choice((1, 7, 45, 300, 1100)))

    async def propose(self) -> None:
        action, first = self.wanted(), self.chance.choice(("authorised", "waiting", "refused"))
        read = self.read()
        facts = await self.both(
            lambda tx: tx.ledger_facts(action, BUYER, None, read, self.policy, self.now, excluding=None), "facts"
        )
        more = {"correlation_id": self.chance.choice(("c1", "c2")), "undo_of": self.chance.choice([*[*self.status][-3:], None])}
        made = record(action, f"k{len(self.records)}", first, self.now, facts=facts, **more)
        ticket = ticket_for(made, hours=self.chance.randint(1, 30)) if first == "waiting" else None

        async def write(tx: GateTx) -> Any:
            taken = await tx.insert(made, ticket)
            if first == "authorised":
                await tx.reserve(made, self.now)
            return taken

        assert await self.both(write, "insert")
        self.records.append(made)
        self.status[made.id] = first  # type: ignore[assignment]

    def read(self) -> tuple[PlatformCampaign, ...] | None:
        """A read of the platform: whole, with a campaign missing, with a stranger, or none at all."""
        whole = [self.seen(name) for name in sorted(self.budgets)]
        kind = self.chance.choice(("whole", "whole", "missing", "stranger", "none"))
        if kind == "none":
            return None
        if kind == "missing":
            whole = whole[1:]
        if kind == "stranger":
            whole += [one.model_copy(update={"external_id": "s-1"}) for one in whole[:1]]
        return tuple(whole)

    async def perform(self) -> None:
        """An authorised action is done, fails, or its outcome stays unknown."""
        open_ones = [r for r in self.records if self.status[r.id] in ("authorised", "unknown")]
        if not open_ones:
            return
        one, end = self.chance.choice(open_ones), self.chance.choice(("done", "done", "done", "failed", "unknown"))
        before, action = self.status[one.id], one.action
        name: str = action.campaign_id  # type: ignore[union-attr]
        if end == "done":
            asked = getattr(action, "daily_budget", None)
            self.budgets[name] = asked.minor if asked else self.budgets.get(name, 100)
            if action.kind != "campaign.set_budget":
                self.running[name] = action.kind != "campaign.pause"
            self.running.setdefault(name, True)
        result = {"campaign": self.seen(name).model_dump(mode="json"), "objects": []} if end == "done" else None

        async def write(tx: GateTx) -> Any:
            moved = await tx.change(one.id, before, end, result=result, closed_at=None if end == "unknown" else self.now)  # type: ignore[arg-type]
            if result is not None:
                await tx.apply(one, result, self.now)
            if end != "unknown":
                await tx.settle(one.id, kept=end == "done", now=self.now)
            return moved

        await self.both(write, f"{before} -> {end}")
        self.status[one.id] = end  # type: ignore[assignment]

    async def decide(self) -> None:
        """A manager answers a request; a yes takes room, and room that was given back is taken again."""
        waiting = [r for r in self.records if self.status[r.id] == "waiting"]
        if not waiting:
            return
        one, yes, who = self.chance.choice(waiting), self.chance.random() < 0.5, str(self.chance.choice((ANA, RUI)))
        to: Status = "authorised" if yes else "rejected"

        async def write(tx: GateTx) -> Any:
            ticket = await tx.ticket(one.id)
            assert ticket is not None
            words = {"status": "approved" if yes else "rejected", "decided_by": who, "decided_at": self.now, "reason": "porque"}
            kept = await tx.save_ticket(ticket.model_copy(update=words))
            moved = await tx.change(one.id, "waiting", to, **{"decided_at" if yes else "closed_at": self.now})
            if yes:
                await tx.reserve(one, self.now)
            await tx.agree(one, "approved" if yes else "rejected", agreed=yes, by=who, at=self.now)
            return [kept, moved]

        await self.both(write, "decision")
        self.status[one.id] = to

    async def spend(self) -> None:
        if self.budgets:
            name, minor = self.chance.choice([*sorted(self.budgets), "stranger"]), self.chance.randint(0, 9000)
            day = (self.now - timedelta(days=self.chance.randint(0, 8), hours=3)).date()
            for shelf in self.shelves:
                await shelf.spend("meta", f"x-{name}", day, Money(minor=minor, currency="BRL"), "default")

    async def read_a_day(self) -> None:
        """The figures of a past day were read whole; most days stay unread."""
        day = (self.now - timedelta(days=self.chance.randint(1, 7), hours=3)).date()
        for shelf in self.shelves:
            await shelf.day_read("meta", day, self.now)

    async def kill(self) -> None:
        if self.kills and self.chance.random() < 0.5:
            ident = self.kills.pop()
            await self.both(lambda tx: tx.lift_kill(ident, str(RUI), self.now), "lift")
            return
        scope, target = self.chance.choice((("all", None), ("platform", "meta"), ("campaign", "a")))
        ident = f"3f0e7c1e-0000-4000-8000-{self.chance.randrange(10**12):012d}"
        stop = KillSwitch(id=ident, scope=scope, target=target, reason="pare", set_by=str(ANA), set_at=self.now)  # type: ignore[arg-type]
        if await self.both(lambda tx: tx.add_kill(stop), "kill"):
            self.kills.append(ident)

    # -- what they say of it ---------------------------------------------------------------------------------------------------

    async def agree(self) -> None:
        """Everything the gate reads of its books."""
        action, read = self.wanted(), self.read()
        own = self.chance.choice([*(r.id for r in self.records), None])
        now = self.now

        def facts_of(about: Action) -> Callable[[GateTx], Awaitable[Any]]:
            return lambda tx: tx.ledger_facts(about, BUYER, None, read, self.policy, now, excluding=own)

        await self.both(facts_of(action), f"facts of {action}")
        await self.both(lambda tx: tx.due_tickets(now), "due tickets")
        await self.both(lambda tx: one_batch(tx, "c1"), "batch")
        if own is not None:
            known = await self.both(lambda tx: tx.action(own), "action")
            await self.both(lambda tx: tx.ticket(own), "ticket")
            await self.both(lambda tx: tx.undos(own), "undos")
            await self.both(lambda tx: tx.later_change(known), "later change")
            await self.both(lambda tx: tx.refs(known.action), "refs")
            assert await self.shelves[0].held(own) == await self.shelves[1].held(own), "held room"


@pytest.mark.parametrize("seed", range(4))
async def test_both_books_tell_the_same_of_any_history(shelves: tuple[Shelf, Shelf], seed: int) -> None:
    history = History(shelves, seed)
    steps = (history.time, history.propose, history.perform, history.decide, history.spend, history.read_a_day, history.kill)
    for _ in range(STEPS):
        await history.chance.choices(steps, (1, 2, 2, 1, 1, 1, 1))[0]()
        await history.agree()
    assert len(history.records) > 5
    assert "done" in history.status.values()
