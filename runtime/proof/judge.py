"""The judge: the world's own book of what was accepted, and what may never be found in it.

Knows nothing of the gate's ledger: it sees the writes that arrived, the words that were said to it (kills, noes, yeses) and the policy.
Amounts are minor units of the policy's currency; days are the account's local days.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING
from zoneinfo import ZoneInfo

from knowledge.domain.action import Action, Actor, PauseCampaign, PublishCampaign, ResumeCampaign, SendMessage, SetBudget
from knowledge.domain.clock import Clock
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from tools.permit import Permit

RANK = {"viewer": -1, "manager": 0, "admin": 1}


@dataclass
class Unit:
    """A campaign as its platform has it. `known`, `known_on`: what the gate itself set last, whatever people did by hand since.

    `floor`: the highest budget in force today that the gate answers for; `peak`: the highest of all, by hand too. `learned`: when a
    write of the gate's own showed it that people had switched the campaign on; `unlearned`: the floor before that.
    """

    platform: str
    external_id: str
    campaign_id: str | None
    name: str
    key: str | None
    budget: int
    on: bool
    known: int
    known_on: bool
    floor: int = 0
    peak: int = 0
    spent: dict[date, int] = field(default_factory=dict[date, int])
    reported: dict[date, int] = field(default_factory=dict[date, int])
    closing: dict[date, int] = field(default_factory=dict[date, int])
    """What a day could have cost as far as the gate may know until somebody reads the day: its worst, or what was reported of it."""
    budgets: list[tuple[datetime, int]] = field(default_factory=list[tuple[datetime, int]])
    hand_at: datetime | None = None
    learned: datetime | None = None
    unlearned: int = 0
    writer: str | None = None
    agreed: datetime | None = None
    """When the budget in force was decided."""
    launched_by: str | None = None


@dataclass(frozen=True)
class Known:
    """What was asked for under an action id, when it was judged for the last time, and when it was decided that it be done."""

    action: Action
    proposer: Actor
    judged_at: datetime
    agreed_at: datetime
    undo: bool = False
    """Whether it restores what was before another action."""


class Judge:
    """The book and its laws. `breaches` are sentences; an empty list is the proof so far."""

    def __init__(self, policy: Policy, clock: Clock, lookup: Callable[[str], Known | None]) -> None:
        self.policy, self._clock, self._lookup = policy, clock, lookup
        self._zone = ZoneInfo(policy.time_zone)
        self.units: dict[tuple[str, str], Unit] = {}
        self.by_key: dict[tuple[str, str], Unit] = {}
        self.kills: list[tuple[str, str | None]] = []
        self.over: dict[str, str] = {}
        """action -> the last word that was told about it"""
        self.given_up: set[str] = set()
        """Of these a person said that nothing more is to be done, although nobody knew what had come of them."""
        self.asked: set[str] = set()
        self.asked_for: dict[str, list[Action]] = {}
        """action -> what proposers or editors asked for under this id; more than one when a key was used again at the same moment"""
        self.until: dict[str, datetime] = {}
        """request -> when its time is over, as the policy and the people who extended it said"""
        self._yes: dict[str, dict[str, str]] = {}
        self._saying: list[tuple[str, str, str]] = []
        self.editors: dict[str, str] = {}
        """a request made by widening another one -> who did that"""
        self.talks: dict[str, tuple[str, int]] = {}
        self.read: dict[tuple[str, date], datetime] = {}
        """(platform, day) -> when its figures were read whole, after it had ended"""
        self.performed: Counter[str] = Counter()
        self.written: dict[str, Unit] = {}
        self._wrote: dict[str, datetime] = {}
        """action -> when it was performed last: what people did by hand since may make it go out again"""
        self.commits = 0
        self.breaches: list[str] = []
        self.lines: list[str] = []

    # -- time and money -------------------------------------------------------------------------------------------------------

    def moment(self) -> datetime:
        return self._clock.now()

    def today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()

    def _times(self, unit: Unit, minor: int) -> int:
        multiplier = self.policy.multiplier(unit.platform)  # type: ignore[arg-type]
        return int((minor * multiplier).to_integral_value(ROUND_CEILING))

    def worst(self, unit: Unit, *, by_hand: bool) -> int:
        """What the platform may take of this campaign today. Without `by_hand`, what people did behind the gate's back is left out."""
        if not by_hand:
            running = min(unit.budget, unit.known) if unit.on and unit.known_on else 0
            return self._times(unit, max(unit.floor, running))
        running = unit.budget if unit.on else 0
        return max(self._times(unit, max(unit.floor, running)), unit.reported.get(self.today(), 0))

    def worst_day(self, decided_at: datetime, *, only: str | None = None) -> int:
        """The worst day of the whole workspace, or of one platform. By hand counts what the gate could have read when it decided."""
        return sum(self._counted(u, decided_at) for u in self.units.values() if only in (None, u.platform))

    def _counted(self, unit: Unit, decided_at: datetime) -> int:
        read = unit.hand_at is None or unit.hand_at < decided_at
        if not read and unit.learned is not None and unit.learned >= decided_at:
            return self._times(unit, unit.unlearned)
        return self.worst(unit, by_hand=read)

    def spent_before_today(self, decided_at: datetime) -> int:
        """What the account-local week before today must count as: reported where the day had been read when it was decided, and the
        worst of every day that nobody had read."""
        today = self.today()
        monday = today - timedelta(days=today.weekday())
        days = [monday + timedelta(days=n) for n in range((today - monday).days)]
        return sum(self._counted_then(unit, day, decided_at) for unit in self.units.values() for day in days)

    def _counted_then(self, unit: Unit, day: date, decided_at: datetime) -> int:
        reported, closing = unit.reported.get(day, 0), unit.closing.get(day, 0)
        read = self.read.get((unit.platform, day))
        if read == decided_at:  # of two things in one moment nobody can tell which was first
            return min(reported, closing)
        return reported if read is not None and read < decided_at else closing

    def begin_day(self) -> None:
        """A new local day: what ran yesterday may spend anew, by the budget that is in force now. Call after the midnight."""
        over = self.today() - timedelta(days=1)
        for unit in self.units.values():
            unit.closing[over] = max(self.worst(unit, by_hand=False) if unit.campaign_id else 0, unit.reported.get(over, 0))
            unit.floor = min(unit.budget, unit.known) if unit.on and unit.known_on else 0
            unit.unlearned = 0
            unit.peak = unit.budget if unit.on else 0

    def spend(self, unit: Unit, day: date, chance: random.Random) -> int:
        """The platform takes some more of what it may take on a day; returns the day's spend so far."""
        so_far, most = unit.spent.get(day, 0), self._times(unit, unit.peak)
        unit.spent[day] = max(so_far, chance.choice((most, chance.randint(so_far, max(so_far, most)))))
        return unit.spent[day]

    # -- what is told ---------------------------------------------------------------------------------------------------------

    def breach(self, sentence: str) -> None:
        self.breaches.append(f"{self._clock.now().isoformat()} {sentence}")

    def told(self, action_id: str, status: str) -> None:
        """Somebody was told what became of an action. What is final stays so."""
        final = ("done", "refused", "suggested", "rejected", "expired", "cancelled", "replaced", "failed")
        before = self.over.get(action_id)
        if before in final and status in final and status != before:  # an answer may be a moment old, but not about the end
            self.breach(f"action {action_id} was {before} and is now said to be {status}")
        if status in final:
            self.over[action_id] = status
            spoken_for = action_id in self.given_up or self._overtaken(action_id)
            if status != "done" and self.performed[action_id] and not spoken_for:
                self.breach(f"action {action_id} was performed and is said to be {status}")
        if status == "waiting":
            self.asked.add(action_id)

    def _overtaken(self, action_id: str) -> bool:
        """Whether somebody changed since what this action did: then nobody can say any more that it happened."""
        unit = self.written.get(action_id)
        return unit is not None and (unit.writer != action_id or unit.hand_at is not None)

    def says_yes(self, action_id: str, actor: Actor) -> tuple[str, str, str]:
        """Somebody entitled presses the button; `said` tells what came of it."""
        pressed = (action_id, str(actor), actor.role or "")
        until = self.until.get(action_id)
        if until is not None and self._clock.now() >= until:
            pressed = (f"{action_id} after its time", *pressed[1:])
        self._saying.append(pressed)
        return pressed

    def said(self, pressed: tuple[str, str, str], *, counted: bool) -> None:
        """Whether that yes counts from now on. One that nobody answered may count."""
        self._saying.remove(pressed)
        if counted:
            self._yes.setdefault(pressed[0], {})[pressed[1]] = pressed[2]

    def forget_yes(self, action_id: str) -> None:
        """What people said yes to is no longer so."""
        self._yes.pop(action_id, None)

    def forbids(self, action_id: str) -> str | None:
        """Why no write of this action may leave any more; None when nothing was said against it."""
        if action_id in self.over:
            return f"it is {self.over[action_id]}"
        known = self._lookup(action_id)
        if known is None:
            return "nobody asked for it"
        action = known.action
        if not isinstance(action, PauseCampaign):
            for scope, target in self.kills:
                if _covers(scope, target, action, known.proposer):
                    return f"the kill switch {scope} {target or ''} is set"
        if isinstance(action, SendMessage) and action.author == "bot":
            owner = self.talks.get(action.conversation_id)
            if owner != ("bot", action.epoch):
                return f"the conversation is with {owner}"
        return None

    # -- what arrives ---------------------------------------------------------------------------------------------------------

    def created(self, permit: Permit | None, platform: str, action: PublishCampaign, key: str) -> Unit:
        if (platform, key) in self.by_key:
            self.breach(f"key {key} made a second campaign on {platform}")
        ident = f"{platform[0]}{len(self.units) + 1}"
        unit = Unit(platform, ident, action.campaign_id, action.name, key, action.daily_budget.minor, False, 0, True)
        unit.launched_by = permit.action_id if permit else None
        self.units[platform, ident] = unit
        self.by_key[platform, key] = unit
        self._note(permit, f"create {ident} {action.daily_budget}")
        if permit is not None:
            self._as_asked(permit, unit, action.daily_budget)
        return unit

    def budgeted(self, permit: Permit | None, unit: Unit, budget: Money) -> None:
        if permit is None:
            return
        repeated = unit.budget == budget.minor and self.performed[permit.action_id] > 0
        self._as_asked(permit, unit, budget)
        old = unit.budget
        unit.budget = unit.known = budget.minor
        if unit.on and not unit.known_on:
            unit.learned, unit.unlearned = self._clock.now(), unit.floor
        if unit.on:
            unit.known_on = True
            unit.floor = max(unit.floor, old if unit.hand_at is None else 0, budget.minor)
            unit.peak = max(unit.peak, budget.minor)
        self._note(permit, f"budget {unit.external_id} {old} -> {budget.minor}")
        self._in_order(permit, unit)
        if budget.minor > old:
            self._single_raise(permit, unit, budget.minor)
            self._room(permit, unit)
        unit.budgets.append((self._clock.now(), budget.minor))
        if not repeated:
            self._performed(permit, unit)

    def switched(self, permit: Permit | None, unit: Unit, *, on: bool, operation: str) -> None:
        if permit is None:
            return
        repeated = unit.on == on and self.performed[permit.action_id] > 0
        self._as_asked(permit, unit, None)
        turned_on = on and not unit.on
        unit.on = unit.known_on = on
        if operation == "activate":
            unit.known = unit.budget
            unit.budgets.append((self._clock.now(), unit.budget))
        if on:
            unit.floor = max(unit.floor, min(unit.budget, unit.known))
            unit.peak = max(unit.peak, unit.budget)
        self._note(permit, f"{operation} {unit.external_id}")
        if turned_on:
            self._room(permit, unit)
        if not repeated:
            self._performed(permit, unit)

    def sent(self, permit: Permit | None, to: str, text: str) -> str:
        if permit is not None:
            self._note(permit, f"text to {to}")
            known = self._lookup(permit.action_id)
            if known is None or getattr(known.action, "text", None) != text:
                self.breach(f"another text left under action {permit.action_id}")
            self.performed[permit.action_id] += 1
            if self.performed[permit.action_id] > 1:
                self.breach(f"the text of action {permit.action_id} was sent twice")
        return f"wamid-{self.commits}"

    def by_hand(self, unit: Unit, *, budget: int | None = None, on: bool | None = None) -> None:
        """Somebody changed a campaign on the platform itself. A pause by hand is not the gate's to count."""
        unit.hand_at = self._clock.now()
        if budget is not None:
            unit.budget = budget
        if on is not None:
            unit.on = on
            if not on:
                unit.floor = 0
        unit.peak = max(unit.peak, unit.budget if unit.on else 0)
        self.lines.append(f"{self._clock.now():%d %H:%M:%S} BY HAND {unit.external_id} budget {unit.budget} on {unit.on}")

    # -- the laws -------------------------------------------------------------------------------------------------------------

    def _note(self, permit: Permit | None, what: str) -> None:
        self.commits += 1
        self.lines.append(f"{self._clock.now():%d %H:%M:%S} ACCEPTED {what} of {permit.action_id if permit else 'nobody'}")

    def _performed(self, permit: Permit, unit: Unit) -> None:
        wrote = self._wrote.get(permit.action_id)
        since_hand = unit.hand_at is not None and wrote is not None and unit.hand_at >= wrote
        self._wrote[permit.action_id] = self._clock.now()
        self.performed[permit.action_id] += 1
        if self.performed[permit.action_id] > 1 and not since_hand:
            self.breach(f"action {permit.action_id} was performed {self.performed[permit.action_id]} times on {unit.external_id}")
        unit.writer = permit.action_id
        self.written[permit.action_id] = unit

    def _in_order(self, permit: Permit, unit: Unit) -> None:
        """No budget is written over one that was decided later."""
        known = self._lookup(permit.action_id)
        if known is None:
            return
        if unit.agreed is not None and unit.agreed > known.agreed_at:
            self.breach(f"action {permit.action_id} was written over a later decision on {unit.external_id}")
        unit.agreed = known.agreed_at

    def _as_asked(self, permit: Permit, unit: Unit, budget: Money | None) -> None:
        """The write is what was asked for under this id, and enough people said yes to it if people were asked."""
        known = self._lookup(permit.action_id)
        if known is None:
            return
        wanted = self.asked_for.get(permit.action_id, [known.action])
        same = [a for a in wanted if getattr(a, "campaign_id", None) == unit.campaign_id]
        if not any(budget is None or getattr(a, "daily_budget", None) == budget for a in same):
            self.breach(f"action {permit.action_id} wrote {budget} to {unit.campaign_id} and was asked for {wanted}")
        if permit.action_id in self.asked:
            self._people(permit.action_id, known.action, known.proposer, unit)

    def _people(self, action_id: str, action: Action, proposer: Actor, unit: Unit) -> None:
        stake: Money | None = getattr(action, "daily_budget", None)
        if stake is None and isinstance(action, ResumeCampaign):
            stake = Money(minor=unit.budget, currency=self.policy.currency)
        steps = [step for step in self.policy.autonomy.quorum if stake is not None and stake.minor > step.above.minor]
        need = max((step.approvals for step in steps), default=1)
        least = "admin" if any(step.role == "admin" for step in steps) else "manager"
        people = dict(self._yes.get(action_id, {})) | {who: role for about, who, role in self._saying if about == action_id}
        people.pop(str(proposer), None)
        people.pop(self.editors.get(action_id, ""), None)
        enough = sum(1 for role in people.values() if RANK[role] >= RANK[least])
        if enough < need:
            self.breach(f"action {action_id} was performed with {enough} of {need} yeses of a {least}")

    def _room(self, permit: Permit, unit: Unit) -> None:
        """More money runs than before: then the worst case fits, or it should not have left."""
        known = self._lookup(permit.action_id)
        if known is None:
            return
        limits = self.policy.guardrails.financial
        day = self.worst_day(known.judged_at)
        if day > limits.daily_cap.minor:
            self.breach(f"daily cap: {day} of {limits.daily_cap.minor} by action {permit.action_id}")
        own = self.policy.platform_cap(unit.platform, "day").minor  # type: ignore[arg-type]
        there = self.worst_day(known.judged_at, only=unit.platform)
        if there > own:
            self.breach(f"daily cap of {unit.platform}: {there} of {own} by action {permit.action_id}")
        alone = self._times(unit, max(unit.floor, unit.budget))
        if alone > self.policy.campaign_cap("day").minor:
            self.breach(f"daily cap of {unit.external_id}: {alone} by action {permit.action_id}")
        week = self.spent_before_today(known.judged_at) + day
        if week > limits.weekly_cap.minor and self._same_day(known.judged_at):
            self.breach(f"weekly cap: {week} of {limits.weekly_cap.minor} by action {permit.action_id}")
        if isinstance(known.action, PublishCampaign | SetBudget) and unit.budget > limits.max_campaign_budget.minor:
            self.breach(f"campaign budget: {unit.budget} of {limits.max_campaign_budget.minor} by action {permit.action_id}")

    def _same_day(self, decided_at: datetime) -> bool:
        """Whether it was decided today: what was decided on another day was judged by that day's spend."""
        return decided_at.astimezone(self._zone).date() == self.today()

    def _single_raise(self, permit: Permit, unit: Unit, minor: int) -> None:
        """Many small raises are one large one: judged from the budget in force 24 hours before the decision."""
        known = self._lookup(permit.action_id)
        if known is None or unit.hand_at is not None or known.undo:
            return
        day_ago = known.judged_at - timedelta(hours=24)
        base = unit.budgets[0][1]
        for at, budget in unit.budgets:
            if at <= day_ago:
                base = budget
        most = self.policy.guardrails.financial.max_single_increase
        if minor > base * (1 + most):
            self.breach(f"single raise: {base} -> {minor} within a day by action {permit.action_id}")


def _covers(scope: str, target: str | None, action: Action, proposer: Actor) -> bool:
    match scope:
        case "all":
            return True
        case "platform":
            return getattr(action, "platform", None) == target
        case "campaign":
            return getattr(action, "campaign_id", None) == target
        case "conversation":
            return getattr(action, "conversation_id", None) == target
        case _:
            return proposer.id == target
