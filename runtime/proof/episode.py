"""One episode: a house with two workers over one set of books, and the things that may happen to it, drawn by a seeded chance.

Every `op_` method is one step. The same methods are the rules of the Hypothesis machine in tests/gate/test_machine.py.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any

from knowledge.domain.action import (
    SendMessage,
)
from runtime.proof.asking import (
    ANA,
    PLATFORMS,
    RUI,
    SDR,
    brl,
)
from runtime.proof.house import WORKER
from runtime.proof.judge import Unit
from runtime.proof.managers import Managers
from runtime.proof.memory_books import Talk
from runtime.proof.world import WRITE_FAULTS, Died
from tools.gate import Gate, Receipt

LATE = 0.3
"""How often a platform's figures of a day are not there when the day is over."""


class Episode(Managers):
    """A seeded run. `step()` does one thing and looks at everything; `judge.breaches` stays empty or says what went wrong."""

    # -- one step -------------------------------------------------------------------------------------------------------------

    async def step(self) -> None:
        """Draws one thing that may happen, lets it happen, and looks at everything."""
        op = self.chance.choices(OPS, WEIGHTS)[0]
        await self.perform(op, self.chance)

    async def perform(self, op: str, chance: random.Random) -> None:
        self._pass(timedelta(seconds=1))
        self.judge.lines.append(f"{self.clock.now():%d %H:%M:%S} step {self.steps}: {op}")
        await getattr(self, f"op_{op}")(chance)
        self.steps += 1
        self.auditor.look()

    async def run(self, steps: int) -> None:
        """Steps until so many are done or a law is broken, then everything is brought to its end."""
        while self.steps < steps and not self.judge.breaches:
            await self.step()
        if not self.judge.breaches:
            await self.finish()

    async def finish(self) -> None:
        """Faults end, kills are lifted, time passes: nothing may stay half done but texts whose answer was lost."""
        self.trouble.writes.clear()
        self.trouble.reads.clear()
        async with self.books.transaction() as tx:
            kills = await tx.kills()
        for kill in kills:
            await self.gates[0].resume(kill.id, ANA)
        self.judge.kills.clear()
        for _ in range(4):
            self._pass(timedelta(hours=25, minutes=1))  # longer than any grace or request may be extended
            await self._care(self.gates[0])
            self.auditor.look()
        self.auditor.at_rest()

    # -- time, care, weather --------------------------------------------------------------------------------------------------

    def _pass(self, step: timedelta) -> None:
        """Time passes, day by day: every campaign that runs spends, and the platforms report the day when it is over."""
        until = self.clock.now() + step
        while True:
            today = self.judge.today()
            end = _midnight(self.clock.now(), self.policy.time_zone)
            if until < end:
                self.clock.set(until)
                return
            late = [platform for platform in PLATFORMS if self.weather.random() < LATE]
            for unit in self.judge.units.values():
                self.judge.spend(unit, today, self.chance)
                if unit.platform not in late:
                    self._report(unit, today)
            self.clock.set(end)
            self.judge.begin_day()
            for platform in PLATFORMS:
                if platform not in late:
                    self._whole(platform, today)
                    if self.weather.random() < 0.5:  # what was missing comes in with it, or later, or never
                        self._catch_up(platform)

    def _report(self, unit: Unit, day: date) -> None:
        """The platform's figures of a day reach the ledger."""
        row = self.books.one("campaigns", unit.campaign_id)
        ours = unit.campaign_id if row is not None and row["external_id"] == unit.external_id else None
        if day in unit.spent:
            minor = unit.reported[day] = unit.spent[day]
            self.books.put_spend(ours, unit.platform, unit.external_id, day, brl(minor), revenue=minor * 2, impressions=2000)

    def _whole(self, platform: str, day: date) -> None:
        """The figures of a day that is over were read: from now on the house knows what it has cost."""
        self.books.put_read(platform, day)
        self.judge.read[platform, day] = self.clock.now()

    def _catch_up(self, platform: str) -> None:
        """Late figures: everything of the last days is read again, and what was missing comes in."""
        today = self.judge.today()
        for day in (today - timedelta(days=n) for n in range(7, 0, -1)):
            if (platform, day) not in self.judge.read:
                for unit in self.judge.units.values():
                    if unit.platform == platform:
                        self._report(unit, day)
                self._whole(platform, day)
                self.counts["late days"] += 1

    async def op_seconds(self, chance: random.Random) -> None:
        self._pass(timedelta(seconds=chance.choice((5, 61, 200))))

    async def op_minutes(self, chance: random.Random) -> None:
        self._pass(timedelta(minutes=chance.choice((3, 11, 16, 61))))

    async def op_hours(self, chance: random.Random) -> None:
        self._pass(timedelta(hours=chance.choice((2, 5, 25, 49))))

    async def op_border(self, chance: random.Random) -> None:
        """To the last second of the local day; now and then over it."""
        end = _midnight(self.clock.now(), self.policy.time_zone)
        self._pass(max(timedelta(0), end - self.clock.now() + timedelta(seconds=chance.choice((-3, -1, 0, 1)))))

    async def op_spend(self, chance: random.Random) -> None:
        """A campaign spends in the course of its day; mostly the figures come in."""
        if self.judge.units:
            unit = chance.choice(list(self.judge.units.values()))
            self.judge.spend(unit, self.judge.today(), chance)
            if chance.random() < 0.7:
                self._report(unit, self.judge.today())

    async def op_figures(self, chance: random.Random) -> None:
        """What the platforms still owe of past days comes in."""
        self._catch_up(chance.choice(PLATFORMS))

    async def _care(self, gate: Gate) -> None:
        await self._by(gate, gate.expire_due())
        await self._by(gate, gate.release_due())
        receipts: list[Receipt] | None = await self._by(gate, gate.recover())
        for receipt in receipts or ():
            self._told(receipt.action_id, receipt.status)

    async def op_care(self, chance: random.Random) -> None:
        await self._care(self._gate(chance))

    async def op_weather(self, chance: random.Random) -> None:
        """The next writes fail, each in a way of its own."""
        self.trouble.writes[:] = [chance.choice(WRITE_FAULTS) for _ in range(chance.choice((1, 1, 2, 3)))]

    async def op_fair_weather(self, chance: random.Random) -> None:
        self.trouble.writes.clear()

    async def op_lost_answers(self, chance: random.Random) -> None:
        self.trouble.writes[:] = [chance.choice(("lost_after", "lost_before")) for _ in range(3)]

    async def op_by_hand(self, chance: random.Random) -> None:
        """Somebody works on the platform itself, past the house."""
        units = list(self.judge.units.values())
        what = chance.choice(("budget", "budget", "pause", "resume", "stranger"))
        if what == "stranger" or not units:
            platform = chance.choice(PLATFORMS)
            ident = f"{platform[0]}x{len(units)}"
            unit = Unit(platform, ident, None, "somebody's", None, chance.choice((500, 1000, 3000)), True, 0, False)
            self.judge.units[platform, ident] = unit
            self.judge.by_hand(unit)
            return
        unit = chance.choice(units)
        if what == "budget":
            self.judge.by_hand(unit, budget=max(100, round(unit.budget * chance.choice((0.5, 0.9, 1.1, 2)))))
        else:
            self.judge.by_hand(unit, on=what == "resume")
        self.counts["changes by hand"] += 1

    async def op_talk(self, chance: random.Random) -> None:
        """A lead writes, or a person takes the conversation, or gives it back."""
        talk: Talk = self.books.one("conversations", chance.choice(("talk-0", "talk-1")))
        if chance.random() < 0.5 or (talk.owner == "bot" and chance.random() < 0.5):
            self._talk(talk, last_inbound_at=self.clock.now(), opted_out=talk.opted_out and chance.random() < 0.5)
        else:
            owner = "human" if talk.owner == "bot" else "bot"
            self._talk(talk, owner=owner, epoch=talk.epoch + 1)
        if chance.random() < 0.05:
            self._talk(self.books.one("conversations", talk.id), opted_out=True)

    def _talk(self, talk: Talk, **news: Any) -> None:
        from dataclasses import replace

        changed = replace(talk, **news)
        self.books.put_conversation(changed)
        self.judge.talks[talk.id] = (changed.owner, changed.epoch)

    # -- at the same time -----------------------------------------------------------------------------------------------------

    async def op_race(self, chance: random.Random) -> None:
        """Two or three things at once on both workers; each may stop at any touch of the books or of the network."""
        names = [chance.choice(RACERS) for _ in range(chance.choice((2, 2, 3)))]
        calls: list[Callable[[], Awaitable[None]]] = []
        for name in names:
            own = random.Random(chance.random())
            calls.append(lambda name=name, own=own: getattr(self, f"op_{name}")(own))
        if chance.random() < 0.3 and names[0] == "repeat" and self.proposals:  # the same intent twice at once
            proposal = chance.choice(self.proposals[-5:])
            calls = [lambda: self._submit(self.gates[0], proposal), lambda: self._submit(self.gates[1], proposal)]  # type: ignore[list-item]
        if chance.random() < 0.3:  # a write, and somebody who takes the conversation or stops the sender
            calls = self._overtaken(chance)
        elif chance.random() < 0.15:  # each fits, together they do not
            calls = [
                lambda one=one, gate=gate: self._submit(gate, self._proposal(chance, one, ANA))  # type: ignore[misc]
                for one, gate in zip(self._crowd(chance), (*self.gates, self.gates[0]), strict=False)
            ]
        waiting = self._some_id(chance, "waiting")
        if chance.random() < 0.3 and waiting is not None:  # two managers on one request
            one, two = random.Random(chance.random()), random.Random(chance.random())
            calls = [
                lambda: self._approve(one, self.gates[0], waiting, ANA),
                lambda: self._approve(two, self.gates[1], waiting, RUI),
                *calls[:1],
            ]
        self.judge.lines.append(f"    race of {', '.join(names)}")
        dice = random.Random(chance.random())

        async def others() -> None:
            if dice.random() < 0.4:
                await asyncio.sleep(0)
            worker = WORKER.get()
            if worker is not None and worker not in self.gates:
                raise Died  # it died over something else meanwhile, and everything in it

        self._racing, self.books.store.pause, self.trouble.pause = True, others, others
        try:
            await asyncio.gather(*(call() for call in calls))
        finally:
            self._racing, self.books.store.pause, self.trouble.pause = False, None, None
        self.counts["races"] += 1
        self.steps += len(calls) - 1

    def _overtaken(self, chance: random.Random) -> list[Callable[[], Awaitable[Any]]]:
        """A text or a change, and while it is on its way a takeover or a stop."""
        talk: Talk = self.books.one("conversations", chance.choice(("talk-0", "talk-1")))
        own = random.Random(chance.random())
        self.numbers += 1
        if chance.random() < 0.7:
            self._talk(talk, owner="bot", epoch=talk.epoch, last_inbound_at=self.clock.now(), opted_out=False)
            text = SendMessage(conversation_id=talk.id, lead_id="lead", text=f"Olá! ({self.numbers})", epoch=talk.epoch)
            proposal = self._proposal(chance, text, SDR)
        else:
            proposal = self._proposal(chance, self._some_action(chance), ANA)

        async def meanwhile() -> None:
            for _ in range(own.randint(0, 14)):
                await asyncio.sleep(0)
            if proposal.action.kind == "message.send" and own.random() < 0.6:
                now: Talk = self.books.one("conversations", talk.id)
                self._talk(now, owner="human", epoch=now.epoch + 1)
            else:
                await self.op_kill(own)

        return [lambda: self._submit(self.gates[0], proposal), meanwhile]

    async def op_death(self, chance: random.Random) -> None:
        """A worker dies at some touch of the books, in the middle of whatever it does."""
        fuse = chance.randint(1, 25)

        async def burning() -> None:
            nonlocal fuse
            fuse -= 1
            if fuse == 0:
                raise Died

        self.books.store.pause = burning
        try:
            await getattr(self, f"op_{chance.choice(RACERS)}")(chance)
        finally:
            self.books.store.pause = None


def _midnight(moment: datetime, zone: str) -> datetime:
    from knowledge.domain.clock import day_bounds

    return day_bounds(moment, zone)[1]


RACERS = ("propose", "propose", "propose", "approve", "approve", "reject", "edit", "kill", "lift", "care", "repeat", "withdraw",
          "act_early", "undo", "talk")  # fmt: skip
_WEIGHTED: dict[str, int] = {
    "propose": 30, "repeat": 5, "spree": 2, "crowd": 2, "approve_all": 2, "approve": 16, "reject": 3, "withdraw": 2, "edit": 4, "extend": 2, "act_early": 3,
    "undo": 3, "undo_batch": 1, "kill": 2, "lift": 8, "seconds": 4, "minutes": 4, "hours": 2, "border": 1, "spend": 4, "care": 6,
    "figures": 1, "weather": 5, "fair_weather": 2, "lost_answers": 2, "by_hand": 3, "talk": 5, "race": 9, "death": 4,
    "with_a_broken_rule": 1, "with_an_unreadable_platform": 2,
}  # fmt: skip
OPS, WEIGHTS = list(_WEIGHTED), list(_WEIGHTED.values())
