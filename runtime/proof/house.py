"""The house of an episode: two workers over books in memory, the world outside, and what is asked of the gate."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from contextvars import ContextVar
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

from knowledge.domain.action import (
    Action,
    Actor,
    PauseCampaign,
    Platform,
    PublishCampaign,
    ResumeCampaign,
    SendMessage,
    SetBudget,
)
from knowledge.domain.books import ActionRecord, Proposal
from knowledge.domain.clock import SettableClock
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from runtime.proof.asking import (
    BUYER,
    PLATFORMS,
    PROPOSERS,
    START,
    WHY,
    brl,
    id_of,
    publication,
    some_policy,
)
from runtime.proof.auditor import Auditor
from runtime.proof.judge import Judge, Known, Unit
from runtime.proof.memory_books import MemoryBooks, Talk
from runtime.proof.world import READ_FAULTS, Died, MemoryAds, MemoryLine, Trouble
from tools.effects import Effects, Ports
from tools.gate import Gate, Receipt
from tools.guardrails import RULES

WORKER: ContextVar[Gate | None] = ContextVar("worker", default=None)
"""Whose code runs here."""


class EpisodeHouse:
    """The books, the judge, the world and two gates; proposals of every kind, drawn by a seeded chance."""

    def __init__(self, seed: int, policy: Policy | None = None) -> None:
        self.chance = random.Random(seed)
        self.weather = random.Random(f"{seed}: figures")
        self.policy = policy or some_policy(self.chance)
        self.clock = SettableClock(START + timedelta(minutes=self.chance.randrange(7 * 24 * 60)))
        self.books = MemoryBooks()
        self.judge = Judge(self.policy, self.clock, self._known)
        self.trouble = Trouble()
        self.auditor = Auditor(self.books, self.judge)
        ads: dict[Platform, Any] = {p: MemoryAds(p, self.clock, self.judge, self.trouble) for p in PLATFORMS}
        self.effects = Effects(Ports(ads=ads, messenger=MemoryLine(self.judge, self.trouble)))
        self.born = 0
        self.gates = [self._worker(), self._worker()]
        self.proposals: list[Proposal] = []
        self.actions: list[str] = []
        self.killed: list[tuple[str, str | None]] = []
        self.counts: Counter[str] = Counter()
        self.steps = 0
        self.numbers = 0
        self._racing = False
        self._fuse = -1
        self._populate()

    # -- the house ------------------------------------------------------------------------------------------------------------

    def _worker(self) -> Gate:
        self.born += 1
        executor = f"worker-{self.born}"
        self.books.living.add(executor)
        return Gate(
            self.books, self.effects, lambda: self.policy, self.clock, executor=executor, sleep=self._no_wait,
            chance=random.Random(self.born),
        )  # fmt: skip

    async def _no_wait(self, _seconds: float) -> None:
        if self._racing:
            await asyncio.sleep(0)

    def _known(self, action_id: str) -> Known | None:
        record: ActionRecord | None = self.books.one("actions", action_id)
        if record is None:
            return None
        return Known(record.action, record.proposer, record.facts.now, record.decided_at, record.undo_of is not None)

    def _populate(self) -> None:
        """Some campaigns that have been running for days, and two leads who wrote just now."""
        now = self.clock.now()
        for number in range(self.chance.randint(1, 3)):
            platform, budget = self.chance.choice(PLATFORMS), self.chance.choice((2000, 3000, 4000, 5000))
            name = f"old-{number}"
            unit = Unit(platform, f"{platform[0]}-{name}", name, name, None, budget, True, budget, True, budget, budget)
            unit.budgets.append((now - timedelta(days=5), budget))
            self.judge.units[platform, unit.external_id] = unit
            launched = now - timedelta(hours=self.chance.choice((10, 100)))
            self.books.put_campaign(name, platform, unit.external_id, brl(budget), launched)
        today = self.judge.today()
        for platform in PLATFORMS:  # what was before is known: it has cost nothing
            for day in (today - timedelta(days=n) for n in range(1, 8)):
                self.books.put_read(platform, day)
                self.judge.read[platform, day] = now
        for number in range(2):
            talk = Talk(f"talk-{number}", f"lead-{number}", last_inbound_at=now, address=f"55119{number}")
            self.books.put_conversation(talk)
            self.judge.talks[talk.id] = ("bot", 0)

    async def _die_now(self, gate: Gate) -> None:
        """The worker is gone; another one starts in its place."""
        if gate in self.gates:
            self.books.living.discard(f"worker-{self._number(gate)}")
            self.gates[self.gates.index(gate)] = self._worker()
            self.counts["worker deaths"] += 1

    def _number(self, gate: Gate) -> str:
        return gate._core.executor.rpartition("-")[2]  # pyright: ignore[reportPrivateUsage] - the proof is of the gate's house

    async def _by(self, gate: Gate, call: Awaitable[Any]) -> Any:
        """What a worker answers; None when it died over it."""
        mark = WORKER.set(gate)
        try:
            return await call
        except Died:
            await self._die_now(gate)
            return None
        except Exception as error:
            self.judge.breach(f"the gate raised {type(error).__name__}: {error}")
            return None
        finally:
            WORKER.reset(mark)

    def _gate(self, chance: random.Random) -> Gate:
        return chance.choice(self.gates)

    # -- asking ---------------------------------------------------------------------------------------------------------------

    async def _submit(self, gate: Gate, proposal: Proposal) -> Receipt | None:
        action_id = id_of(proposal.key)
        if action_id not in self.judge.asked_for:
            self.proposals.append(proposal)
            self.actions.append(action_id)
        if self._known(action_id) is None:
            self.judge.asked_for.setdefault(action_id, []).append(proposal.action)
        receipt: Receipt | None = await self._by(gate, gate.submit(proposal))
        if receipt is not None:
            asked: ActionRecord | None = self.books.one("actions", action_id)
            if receipt.action_id != action_id and (asked is None or asked.status != "replaced"):
                self.judge.breach(f"key {proposal.key} answered with another action")
            self._told(receipt.action_id, receipt.status)
        return receipt

    def _told(self, action_id: str, status: str) -> None:
        self.counts[status] += 1
        self.judge.lines.append(f"    {action_id[:8]} is {status}")
        self.judge.told(action_id, status)

    def _proposal(self, chance: random.Random, action: Action, proposer: Actor | None = None) -> Proposal:
        self.numbers += 1
        return Proposal(
            action=action,
            key=f"k{self.numbers}",
            proposer=proposer or chance.choice(PROPOSERS),
            why=WHY,
            confidence=chance.choice((None, Decimal("0.5"), Decimal("0.9"), Decimal("0.95"))),
            correlation_id=chance.choice((None, "c1", "c2")),
        )

    def _ours(self) -> list[Unit]:
        return [u for u in self.judge.units.values() if u.campaign_id]

    def _campaign(self, chance: random.Random) -> tuple[Platform, str]:
        """Mostly one that exists, now and then one that does not, or under the wrong platform's name."""
        ours = self._ours()
        if not ours or chance.random() < 0.03:
            return chance.choice(PLATFORMS), "nowhere"
        unit = chance.choice(ours)
        platform = cast(Platform, unit.platform)
        if chance.random() < 0.03:
            platform = chance.choice(PLATFORMS)
        return platform, unit.campaign_id or ""

    def _amount(self, chance: random.Random, campaign_id: str) -> Money:
        now = next((u.budget for u in self._ours() if u.campaign_id == campaign_id), 4000)
        wide = (0.1, 0.5, 1.0, 1.5, 1.51, 2, 10, 100)
        narrow = (0.8, 0.85, 0.9, 0.95, 1.03, 1.05, 1.1, 1.15, 1.19, 1.2, 1.21, 1.3, 1.49)
        factor = chance.choice(wide if chance.random() < 0.2 else narrow)
        minor = max(1, round(now * factor))
        if chance.random() < 0.02:
            return Money(minor=minor, currency=chance.choice(("USD", "JPY")))
        if chance.random() < 0.05:
            minor = chance.choice((1, 100, 4999, 5000, 17142, 17143, 30000, 500000))
        return brl(minor)

    def _some_action(self, chance: random.Random) -> Action:
        kind = chance.choices(("publish", "budget", "pause", "resume", "message"), (4, 8, 2, 3, 2))[0]
        if kind == "publish":
            old = chance.choice(self._ours()).campaign_id if chance.random() < 0.05 and self._ours() else None
            minor = chance.choice((500, 500, 1000, 1000, 2000, 2000, 3000, 5000, 8000, 12000, 17143))
            return self._publication(chance.choice(PLATFORMS), minor, old)
        if kind == "message":
            talk = chance.choice(("talk-0", "talk-1"))
            epoch = max(0, self.judge.talks[talk][1] - chance.choice((0, 0, 0, 1)))
            self.numbers += 1
            return SendMessage(conversation_id=talk, lead_id="lead", text=f"Olá! ({self.numbers})", epoch=epoch)
        platform, campaign = self._campaign(chance)
        if kind == "budget":
            return SetBudget(platform=platform, campaign_id=campaign, daily_budget=self._amount(chance, campaign))
        if kind == "pause":
            return PauseCampaign(platform=platform, campaign_id=campaign, emergency=chance.random() < 0.3)
        return ResumeCampaign(platform=platform, campaign_id=campaign)

    async def op_propose(self, chance: random.Random) -> None:
        await self._submit(self._gate(chance), self._proposal(chance, self._some_action(chance)))

    async def op_repeat(self, chance: random.Random) -> None:
        """An old key again, now and then with other arguments: it stays the same action."""
        if not self.proposals:
            return
        old = chance.choice(self.proposals[-40:])
        if chance.random() < 0.4:
            old = old.model_copy(update={"action": self._some_action(chance)})
        await self._submit(self._gate(chance), old)

    def _crowd(self, chance: random.Random) -> list[Action]:
        """Publications of which each one fits what is left of the day, and two do not."""
        limits = self.policy.guardrails.financial
        used = sum(self.judge.worst(unit, by_hand=True) for unit in self.judge.units.values())
        found: list[Action] = []
        for _ in range(3):
            platform = chance.choice(PLATFORMS)
            minor = int((limits.daily_cap.minor - used) * Decimal("0.8") / self.policy.multiplier(platform))
            found.append(self._publication(platform, max(100, min(minor, limits.max_campaign_budget.minor))))
        return found

    async def op_crowd(self, chance: random.Random) -> None:
        """Many ask while there is room for one."""
        for action in self._crowd(chance):
            await self._submit(self._gate(chance), self._proposal(chance, action))

    def _publication(self, platform: Platform, minor: int, name: str | None = None) -> PublishCampaign:
        self.numbers += 1
        return publication(platform, name or f"new-{self.numbers}", minor)

    async def op_spree(self, chance: random.Random) -> None:
        """The same raise again and again."""
        platform, campaign = self._campaign(chance)
        for _ in range(3):
            now = next((u.budget for u in self._ours() if u.campaign_id == campaign), 4000)
            action = SetBudget(platform=platform, campaign_id=campaign, daily_budget=brl(max(1, int(now * 1.19))))
            await self._submit(self._gate(chance), self._proposal(chance, action, BUYER))

    async def op_with_a_broken_rule(self, chance: random.Random) -> None:
        """A rule raises: what it concerns is never done."""
        rule = chance.choice(RULES)
        proposal = self._proposal(chance, self._some_action(chance))
        original = rule.judge
        object.__setattr__(rule, "judge", _broken)
        try:
            receipt = await self._submit(self._gate(chance), proposal)
        finally:
            object.__setattr__(rule, "judge", original)
        self.counts["broken rules"] += 1
        if receipt is not None and rule.concerns(proposal.action) and receipt.status not in ("refused", "suggested"):
            self.judge.breach(f"rule {rule.id} raised and the action is {receipt.status}")

    async def op_with_an_unreadable_platform(self, chance: random.Random) -> None:
        action = self._some_action(chance)
        self.trouble.reads[:] = [chance.choice(READ_FAULTS)]
        receipt = await self._submit(self._gate(chance), self._proposal(chance, action))
        unread = not self.trouble.reads
        self.trouble.reads.clear()
        stop = isinstance(action, PauseCampaign) and action.emergency
        if receipt is not None and unread and not stop and receipt.status not in ("refused", "suggested"):
            self.judge.breach(f"the platform could not be read and the action is {receipt.status}")


def _broken(*_: object) -> Any:
    raise ZeroDivisionError
