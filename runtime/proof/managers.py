"""What people do with requests and with the switch: yes, no, otherwise, later, now, back, stop."""

from __future__ import annotations

import random
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from knowledge.domain.action import (
    Actor,
    SendMessage,
)
from knowledge.domain.books import ActionRecord
from runtime.proof.asking import (
    ANA,
    DECIDERS,
    DENIED,
    PLATFORMS,
    RUI,
)
from runtime.proof.house import EpisodeHouse
from tools.gate import Gate, Outcome


class Managers(EpisodeHouse):
    """Every button of a manager, pressed rightly and wrongly."""

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

    async def op_approve_all(self, chance: random.Random) -> None:
        """A tired manager says yes to everything, and then another one."""
        waiting = [a.id for a in self.books.rows("actions") if a.status == "waiting"][-6:]
        for actor in (ANA, RUI):
            for action_id in waiting:
                await self._approve(chance, self._gate(chance), action_id, actor)

    async def op_reject(self, chance: random.Random) -> None:
        action_id = self._some_id(chance, "waiting")
        if action_id is not None:
            gate = self._gate(chance)
            await self._no(gate, action_id, gate.reject(action_id, chance.choice(DECIDERS), "não"))

    async def op_withdraw(self, chance: random.Random) -> None:
        action_id = self._some_id(chance, "scheduled", "scheduled", "waiting")
        if action_id is not None:
            gate = self._gate(chance)
            await self._no(gate, action_id, gate.withdraw(action_id, chance.choice(DECIDERS), "não"))

    async def _no(self, gate: Gate, action_id: str, call: Awaitable[Outcome]) -> None:
        outcome: Outcome | None = await self._by(gate, call)
        if outcome is not None and outcome.ok:
            if outcome.message.id == "gate.given_up":
                self.judge.given_up.add(action_id)
            self._told(action_id, outcome.status)

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
            self._forget_lifted()  # somebody may have lifted it in the same moment

    async def op_lift(self, chance: random.Random) -> None:
        kills = [row["kill"] for row in self.books.rows("kills") if row["lifted_at"] is None]
        if not kills:
            return
        kill, gate = chance.choice(kills), self._gate(chance)
        # From the first moment on that it may be lifted, writes may leave.
        if (kill.scope, kill.target) in self.judge.kills:
            self.judge.kills.remove((kill.scope, kill.target))
        outcome: Outcome | None = await self._by(gate, gate.resume(kill.id, chance.choice(DECIDERS)))
        if outcome is not None and not outcome.ok and (kill.scope, kill.target) not in self.judge.kills:
            self.judge.kills.append((kill.scope, kill.target))  # nobody lifted it, or somebody pressed it again
        # A kill that was told "it is set already" at the same moment was set before it was lifted; another person's stands.
        self._forget_lifted()
        told = (kill.scope, kill.target)
        if told not in self.judge.kills and any(
            (row["kill"].scope, row["kill"].target) == told and row["lifted_at"] is None for row in self.books.rows("kills")
        ):
            self.judge.kills.append(told)

    def _forget_lifted(self) -> None:
        still = {(row["kill"].scope, row["kill"].target) for row in self.books.rows("kills") if row["lifted_at"] is None}
        self.judge.kills[:] = [told for told in self.judge.kills if told in still]
