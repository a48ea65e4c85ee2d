"""One episode: a house with two workers over one set of books, and the things that may happen to it, drawn by a seeded chance.

Every `op_` method is one step. The same methods are the rules of the Hypothesis machine in tests/gate/test_machine.py.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import datetime, timedelta
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
    ANA,
    BUYER,
    DECIDERS,
    DENIED,
    PLATFORMS,
    PROPOSERS,
    RUI,
    SDR,
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
from runtime.proof.world import READ_FAULTS, WRITE_FAULTS, Died, MemoryAds, MemoryLine, Trouble
from tools.effects import Effects, Ports
from tools.gate import Gate, Outcome, Receipt
from tools.guardrails import RULES

_WORKER: ContextVar[Gate | None] = ContextVar("worker", default=None)
"""Whose code runs here."""


class Episode:
    """A seeded run. `step()` does one thing and looks at everything; `judge.breaches` stays empty or says what went wrong."""

    def __init__(self, seed: int, policy: Policy | None = None) -> None:
        self.chance = random.Random(seed)
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
        return None if record is None else Known(record.action, record.proposer, record.decided_at, record.undo_of is not None)

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
        for number in range(2):
            talk = Talk(f"talk-{number}", f"lead-{number}", last_inbound_at=now, address=f"55119{number}")
            self.books.put_conversation(talk)
            self.judge.talks[talk.id] = ("bot", 0)

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
        mark = _WORKER.set(gate)
        try:
            return await call
        except Died:
            await self._die_now(gate)
            return None
        except Exception as error:
            self.judge.breach(f"the gate raised {type(error).__name__}: {error}")
            return None
        finally:
            _WORKER.reset(mark)

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

    async def op_approve_all(self, chance: random.Random) -> None:
        """A tired manager says yes to everything, and then another one."""
        waiting = [a.id for a in self.books.rows("actions") if a.status == "waiting"][-6:]
        for actor in (ANA, RUI):
            for action_id in waiting:
                await self._approve(chance, self._gate(chance), action_id, actor)

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

    # -- people ---------------------------------------------------------------------------------------------------------------

    def _some_id(self, chance: random.Random, *statuses: str) -> str | None:
        """Mostly an action in one of these statuses, now and then any or none of ours."""
        if chance.random() < 0.03:
            return chance.choice(("nothing", "3f0e7c1e-0000-4000-8000-000000000000"))
        if chance.random() < 0.1 and self.actions:
            return chance.choice(self.actions)
        found = [a.id for a in self.books.rows("actions") if a.status in statuses]
        return chance.choice(found[-12:]) if found else None

    async def op_approve(self, chance: random.Random) -> None:
        action_id = self._some_id(chance, "waiting")
        if action_id is not None:
            await self._approve(chance, self._gate(chance), action_id, chance.choice(DECIDERS))

    async def _approve(self, chance: random.Random, gate: Gate, action_id: str, actor: Actor) -> None:
        record: ActionRecord | None = self.books.one("actions", action_id)
        right = record.fingerprint if record else "0"
        fingerprint = chance.choice((None, right, right, right, "0" * 64))
        entitled = actor.kind == "user" and actor.role in ("manager", "admin") and fingerprint in (None, right)
        pressed = self.judge.says_yes(action_id, actor) if entitled else None
        outcome: Outcome | None = await self._by(gate, gate.approve(action_id, actor, fingerprint))
        if pressed is not None:
            drifted = outcome is not None and outcome.message.id == "gate.drifted"
            self.judge.said(pressed, counted=outcome is None or not (drifted or outcome.message.id in DENIED))
            if drifted:
                self.judge.forget_yes(action_id)
        if outcome is None:
            return
        self.counts["yes" if outcome.ok else "yes denied"] += 1
        self.judge.lines.append(f"    yes of {actor} to {action_id[:8]}: {outcome.message.id}")
        if outcome.action_id == action_id and outcome.status != "waiting":
            self._told(action_id, outcome.status)

    async def op_reject(self, chance: random.Random) -> None:
        action_id = self._some_id(chance, "waiting")
        if action_id is not None:
            gate = self._gate(chance)
            await self._no(gate, action_id, gate.reject(action_id, chance.choice(DECIDERS), "não"), "rejected")

    async def op_withdraw(self, chance: random.Random) -> None:
        action_id = self._some_id(chance, "scheduled", "scheduled", "waiting")
        if action_id is not None:
            gate = self._gate(chance)
            await self._no(gate, action_id, gate.withdraw(action_id, chance.choice(DECIDERS), "não"), "cancelled")

    async def _no(self, gate: Gate, action_id: str, call: Awaitable[Outcome], status: str) -> None:
        outcome: Outcome | None = await self._by(gate, call)
        if outcome is not None and outcome.ok:
            self._told(action_id, status)

    async def op_edit(self, chance: random.Random) -> None:
        action_id = self._some_id(chance, "waiting")
        record: ActionRecord | None = self.books.one("actions", action_id) if action_id else None
        if record is None or action_id is None:
            return
        gate, actor = self._gate(chance), chance.choice(DECIDERS)
        changes: dict[str, Any] = {"campaign_id": "other"}
        before = getattr(record.action, "daily_budget", None)
        unit = next((u for u in self._ours() if u.campaign_id == getattr(record.action, "campaign_id", None)), None)
        if isinstance(record.action, SendMessage):
            changes = {"text": f"Oi! ({chance.randrange(10**6)})"}
        elif before is not None and chance.random() < 0.95:
            factor = chance.choice((0.3, 0.5, 0.8, 0.95, 1.0, 1.05, 1.3, 4))
            changes = {"daily_budget": {"minor": max(1, round(before.minor * factor)), "currency": before.currency}}
        outcome: Outcome | None = await self._by(gate, gate.edit(action_id, actor, changes, "assim", None))
        if outcome is None or (not outcome.ok and (outcome.action_id in (None, action_id))):
            return
        self.counts["edits"] += 1
        self._told(action_id, "replaced")
        new = outcome.action_id or ""
        self.actions.append(new)
        edited = type(record.action).model_validate(record.action.args() | changes)
        self.judge.asked_for[new] = [edited]
        if action_id in self.judge.until:
            self.judge.until[new] = self.judge.until[action_id]
        after = getattr(edited, "daily_budget", None)
        if before and after and after.minor > max(before.minor, unit.budget if unit else 0):
            self.judge.editors[new] = str(actor)
        self._told(new, outcome.status)

    async def op_extend(self, chance: random.Random) -> None:
        action_id = self._some_id(chance, "waiting", "scheduled")
        if action_id is not None:
            gate = self._gate(chance)
            hours, actor = chance.choice((0, 1, 2, 24, 100)), chance.choice(DECIDERS)
            outcome: Outcome | None = await self._by(gate, gate.extend(action_id, actor, hours))
            if action_id in self.judge.until and (outcome is None or outcome.ok):
                self.judge.until[action_id] += timedelta(hours=hours)

    async def op_act_early(self, chance: random.Random) -> None:
        action_id = self._some_id(chance, "scheduled")
        if action_id is not None:
            gate = self._gate(chance)
            outcome: Outcome | None = await self._by(gate, gate.act_early(action_id, chance.choice(DECIDERS)))
            if outcome is not None and outcome.action_id == action_id:
                self._told(action_id, outcome.status)

    async def op_undo(self, chance: random.Random) -> None:
        action_id = self._some_id(chance, "done")
        if action_id is None:
            return
        gate = self._gate(chance)
        count = len(self.books.store.rows("actions"))
        outcome: Outcome | None = await self._by(gate, gate.undo(action_id, chance.choice(DECIDERS), "engano"))
        self._undone(count, outcome)

    async def op_undo_batch(self, chance: random.Random) -> None:
        gate = self._gate(chance)
        count = len(self.books.store.rows("actions"))
        outcomes: list[Outcome] | None = await self._by(gate, gate.undo_batch(chance.choice(("c1", "c2")), chance.choice(DECIDERS)))
        for outcome in outcomes or [None]:
            self._undone(count, outcome)

    def _undone(self, count: int, outcome: Outcome | None) -> None:
        for record in self.books.rows("actions")[count:]:
            if record.undo_of is not None and record.id not in self.actions:
                self.actions.append(record.id)
                self.counts["undos"] += 1
        if outcome is not None and outcome.action_id is not None and outcome.status in ("done", "waiting", "unknown", "failed"):
            record = self.books.one("actions", outcome.action_id)
            if record is not None and record.undo_of is not None:
                self._told(outcome.action_id, outcome.status)

    # -- the switch -----------------------------------------------------------------------------------------------------------

    async def op_kill(self, chance: random.Random) -> None:
        scope = chance.choice(("all", "platform", "campaign", "agent", "conversation"))
        target = {
            "all": None, "platform": chance.choice(PLATFORMS), "campaign": self._campaign(chance)[1],
            "agent": chance.choice(("media_buyer", "sdr", "ana@example.com")), "conversation": "talk-0",
        }[scope]  # fmt: skip
        gate = self._gate(chance)
        outcome: Outcome | None = await self._by(gate, gate.kill(scope, target, chance.choice(DECIDERS), "para"))  # type: ignore[arg-type]
        if outcome is not None and outcome.ok and (scope, target) not in self.judge.kills:
            self.judge.kills.append((scope, target))
            self.counts["kills"] += 1

    async def op_lift(self, chance: random.Random) -> None:
        kills = [row["kill"] for row in self.books.rows("kills") if row["lifted_at"] is None]
        if not kills:
            return
        kill, gate = chance.choice(kills), self._gate(chance)
        # From the first moment on that it may be lifted, writes may leave.
        if (kill.scope, kill.target) in self.judge.kills:
            self.judge.kills.remove((kill.scope, kill.target))
        outcome: Outcome | None = await self._by(gate, gate.resume(kill.id, chance.choice(DECIDERS)))
        if outcome is not None and not outcome.ok and self.books.one("kills", kill.id)["lifted_at"] is None:
            self.judge.kills.append((kill.scope, kill.target))
        # A kill that was told "it is set already" at the same moment was set before it was lifted.
        still = {(row["kill"].scope, row["kill"].target) for row in self.books.rows("kills") if row["lifted_at"] is None}
        self.judge.kills[:] = [told for told in self.judge.kills if told in still]

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
            for unit in self.judge.units.values():
                self.judge.spend(unit, today, self.chance)
                self._report(unit)
            self.clock.set(end)
            self.judge.begin_day()

    def _report(self, unit: Unit) -> None:
        """The platform's figures of today reach the ledger."""
        today = self.judge.today()
        row = self.books.one("campaigns", unit.campaign_id)
        ours = unit.campaign_id if row is not None and row["external_id"] == unit.external_id else None
        if today in unit.spent:
            minor = unit.reported[today] = unit.spent[today]
            self.books.put_spend(ours, unit.platform, unit.external_id, today, brl(minor), revenue=minor * 2, impressions=2000)

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
                self._report(unit)

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
        if chance.random() < 0.15:  # a text, and somebody who takes the conversation or stops the sender
            talk = chance.choice(("talk-0", "talk-1"))
            self.numbers += 1
            text = SendMessage(conversation_id=talk, lead_id="lead", text=f"Olá! ({self.numbers})", epoch=self.judge.talks[talk][1])
            own = random.Random(chance.random())

            async def meanwhile() -> None:
                for _ in range(own.randint(0, 12)):
                    await asyncio.sleep(0)
                await (self.op_talk(own) if own.random() < 0.7 else self.op_kill(own))

            calls = [lambda: self._submit(self.gates[0], self._proposal(chance, text, SDR)), meanwhile]  # type: ignore[list-item]
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
            worker = _WORKER.get()
            if worker is not None and worker not in self.gates:
                raise Died  # it died over something else meanwhile, and everything in it

        self._racing, self.books.store.pause, self.trouble.pause = True, others, others
        try:
            await asyncio.gather(*(call() for call in calls))
        finally:
            self._racing, self.books.store.pause, self.trouble.pause = False, None, None
        self.counts["races"] += 1
        self.steps += len(calls) - 1

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


def _broken(*_: object) -> Any:
    raise ZeroDivisionError


RACERS = ("propose", "propose", "propose", "approve", "approve", "reject", "edit", "kill", "lift", "care", "repeat", "withdraw",
          "act_early", "undo", "talk")  # fmt: skip
_WEIGHTED: dict[str, int] = {
    "propose": 30, "repeat": 5, "spree": 2, "crowd": 2, "approve_all": 2, "approve": 16, "reject": 3, "withdraw": 2, "edit": 4, "extend": 2, "act_early": 3,
    "undo": 3, "undo_batch": 1, "kill": 2, "lift": 8, "seconds": 4, "minutes": 4, "hours": 2, "border": 1, "spend": 4, "care": 6,
    "weather": 5, "fair_weather": 2, "lost_answers": 2, "by_hand": 3, "talk": 5, "race": 9, "death": 4,
    "with_a_broken_rule": 1, "with_an_unreadable_platform": 2,
}  # fmt: skip
OPS, WEIGHTS = list(_WEIGHTED), list(_WEIGHTED.values())
