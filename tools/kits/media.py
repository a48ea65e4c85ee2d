"""MediaKit: reading campaigns and proposing changes. Every answer carries rows with a `ref`, so that an answer can cite them.

The kit decides nothing: a proposal becomes a typed action that the desk submits to the gate under the session's own actor, and the
model hears what the gate said. Current budgets are read by the desk, never taken from the model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from difflib import SequenceMatcher
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from knowledge.domain.action import Action, PauseCampaign, Platform, ResumeCampaign, SetBudget
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from prompts.messages import DEFAULT_LOCALE
from tools.kits import Tool, as_json


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class CampaignRow(_Row):
    """One campaign of ours. `id` is our own id; `ref` is what an answer cites."""

    id: str
    name: str
    platform: Platform
    status: str
    daily_budget: Money | None
    ref: str


class SpendRow(_Row):
    """What one campaign spent on the account's current day."""

    campaign: str
    platform: Platform
    spend: Money
    daily_budget: Money | None
    ref: str


class SpendToday(_Row):
    """Spend of the current day against the caps. `total` is None when a platform could not be read."""

    rows: tuple[SpendRow, ...]
    total: Money | None
    daily_cap: Money
    week_total: Money | None
    weekly_cap: Money
    as_of: datetime


class PerformanceRow(_Row):
    """A campaign's figures over the last `days` days as its platform reports them; undefined ratios are None."""

    campaign: str
    platform: Platform
    status: str
    days: int
    spend: Money
    revenue: Money
    conversions: int
    roas: Decimal | None
    ctr: Decimal | None
    cpa: Money | None
    provisional: bool
    ref: str


class DecisionRow(_Row):
    """One action of the ledger: who asked, why, what the rules found, and what became of it."""

    action_id: str
    kind: str
    campaign: str | None
    at: datetime
    asked_by: str
    why: Message
    status: str
    findings: tuple[Message, ...]
    evidence: tuple[dict[str, Any], ...]
    ref: str
    outcome: Message | None = None
    """The later verdict on what it promised; None while its days are not over."""


class OutcomeRow(_Row):
    """What became of one executed action: the verdict on what it promised, in words with its numbers."""

    action_id: str
    kind: str
    campaign: str | None
    at: datetime
    verdict: str
    message: Message
    ref: str


class Proposed(_Row):
    """What the gate said. `status` as in knowledge.domain.books.Status."""

    action_id: str | None
    status: str
    message: Message
    findings: tuple[Message, ...] = ()


class MediaDesk(Protocol):
    """Reads of the ledger and the platforms, and the way to the gate. One instance per session: it knows who asks."""

    async def campaigns(self) -> Sequence[CampaignRow]: ...
    async def spend_today(self) -> SpendToday: ...
    async def performance(self, campaign_id: str | None, days: int) -> Sequence[PerformanceRow]: ...
    async def decisions(self, campaign_id: str | None, limit: int) -> Sequence[DecisionRow]:
        """Newest first."""
        ...

    async def outcomes(self, campaign_id: str | None, limit: int) -> tuple[Sequence[OutcomeRow], Message]:
        """Verdicts on executed actions, newest first, and how often expectations held over all of them."""
        ...

    async def current_budget(self, campaign_id: str) -> Money | None:
        """Fresh read of the daily budget from the platform; None when it cannot be read."""
        ...

    async def propose(self, action: Action, why: Message) -> Proposed:
        """Submits to the gate under the session's actor and a key of this request."""
        ...


class MediaKit:
    """`may_propose=False` leaves out every tool that asks for a change."""

    def __init__(self, desk: MediaDesk, *, locale: str = DEFAULT_LOCALE, may_propose: bool = True) -> None:
        self._desk = desk
        self._locale = locale
        self.may_propose = may_propose

    def tools(self) -> list[Tool]:
        """The methods a model is offered."""
        reads: list[Tool] = [
            self.spend_today,
            self.performance,
            self.list_campaigns,
            self.explain,
            self.outcomes,
        ]
        writes: list[Tool] = [self.propose_budget_change, self.propose_pause, self.propose_resume]
        return reads + (writes if self.may_propose else [])

    def _say(self, value: Any) -> str:
        return as_json(value, self._locale)

    async def list_campaigns(self) -> str:
        """List our campaigns with platform, status and daily budget."""
        return self._say({"rows": list(await self._desk.campaigns())})

    async def spend_today(self) -> str:
        """What has been spent today, by campaign and in total, against the daily and weekly caps."""
        return self._say(await self._desk.spend_today())

    async def performance(self, campaign: str | None = None, days: int = 7) -> str:
        """ROAS, CTR, CPA, spend and revenue of the last days, for one campaign or all.

        Args:
            campaign: the campaign's name as the manager wrote it; leave out for all.
            days: how many days back, 1 to 90.
        """
        if not 1 <= days <= 90:
            return self._say({"error": "days must be between 1 and 90"})
        if campaign is None:
            return self._say({"rows": list(await self._desk.performance(None, days))})
        found = await self._find(campaign)
        if isinstance(found, dict):
            return self._say(found)
        return self._say({"rows": list(await self._desk.performance(found.id, days))})

    async def explain(self, campaign: str | None = None, kind: str | None = None) -> str:
        """Why something was done: the ledger's latest decisions on a campaign, with reasons, findings and evidence.

        Args:
            campaign: the campaign's name as the manager wrote it; leave out for the latest of all.
            kind: campaign.pause, campaign.resume, campaign.set_budget or campaign.publish, to look at one kind only.
        """
        campaign_id: str | None = None
        if campaign is not None:
            found = await self._find(campaign)
            if isinstance(found, dict):
                return self._say(found)
            campaign_id = found.id
        rows = [row for row in await self._desk.decisions(campaign_id, 50) if kind is None or row.kind == kind]
        return self._say({"rows": rows[:5]})

    async def outcomes(self, campaign: str | None = None) -> str:
        """Whether it worked: what executed changes really brought, measured against what would have happened without them.

        Args:
            campaign: the campaign's name as the manager wrote it; leave out for the latest of all.
        """
        campaign_id: str | None = None
        if campaign is not None:
            found = await self._find(campaign)
            if isinstance(found, dict):
                return self._say(found)
            campaign_id = found.id
        rows, summary = await self._desk.outcomes(campaign_id, 5)
        return self._say({"rows": list(rows), "summary": summary})

    async def propose_budget_change(
        self, campaign: str, percent: str | None = None, amount: str | None = None, delta: str | None = None
    ) -> str:
        """Ask for another daily budget. The rules decide: done, waiting for approval, or refused with reasons.

        Args:
            campaign: the campaign's name as the manager wrote it.
            percent: change in per cent, such as "30" or "-20". Give exactly one of percent, amount and delta.
            amount: the new daily budget in the account's currency, such as "150.00".
            delta: the difference in the account's currency, such as "-25.00".
        """
        if sum(given is not None for given in (percent, amount, delta)) != 1:
            return self._say({"error": "give exactly one of percent, amount and delta"})
        found = await self._find(campaign)
        if isinstance(found, dict):
            return self._say(found)
        current = await self._desk.current_budget(found.id)
        if current is None:
            return self._say({"error": "the current budget could not be read; nothing was asked for"})
        try:
            wanted = wanted_budget(current, percent, amount, delta)
        except (InvalidOperation, ValueError):
            return self._say({"error": f"not a number: {percent or amount or delta}"})
        if wanted.minor <= 0:
            return self._say({"error": "the new budget would not be positive; propose a pause instead"})
        why = Message(id="chat.why.budget", params={"campaign": found.name, "current": current, "wanted": wanted})
        answer = await self._desk.propose(SetBudget(platform=found.platform, campaign_id=found.id, daily_budget=wanted), why)
        return self._say({"campaign": found.name, "current": current, "wanted": wanted, "gate": answer, "ref": found.ref})

    async def propose_pause(self, campaign: str) -> str:
        """Ask for a campaign to be paused. The rules decide.

        Args:
            campaign: the campaign's name as the manager wrote it.
        """
        return await self._propose_state(campaign, "pause")

    async def propose_resume(self, campaign: str) -> str:
        """Ask for a paused campaign to run again. The rules decide.

        Args:
            campaign: the campaign's name as the manager wrote it.
        """
        return await self._propose_state(campaign, "resume")

    async def _propose_state(self, campaign: str, verb: Literal["pause", "resume"]) -> str:
        found = await self._find(campaign)
        if isinstance(found, dict):
            return self._say(found)
        action = PauseCampaign if verb == "pause" else ResumeCampaign
        why = Message(id=f"chat.why.{verb}", params={"campaign": found.name})
        answer = await self._desk.propose(action(platform=found.platform, campaign_id=found.id), why)
        return self._say({"campaign": found.name, "gate": answer, "ref": found.ref})

    async def _find(self, name: str) -> CampaignRow | dict[str, Any]:
        """The one campaign meant, or what to ask the manager."""
        rows = list(await self._desk.campaigns())
        matches = resolve(name, rows)
        if len(matches) == 1:
            return matches[0]
        if matches:
            return {"ambiguous": [f"{row.name} ({row.platform})" for row in matches[:5]], "asked": name}
        return {"not_found": name, "known": [row.name for row in rows[:10]]}


def wanted_budget(current: Money, percent: str | None, amount: str | None, delta: str | None) -> Money:
    """The budget that one of the three asks for. Raises ValueError or decimal.InvalidOperation for what is no number."""
    if delta is not None:
        return current + Money.of(delta, current.currency)
    if amount is not None:
        return Money.of(amount, current.currency)
    factor = 1 + Decimal(percent or "") / 100
    if not factor.is_finite():
        raise ValueError("percent is not finite")
    return current.times(factor, rounding=ROUND_HALF_UP)


_SMALL_WORDS = "a o as os da de do das dos no na nos nas em campanha campaign the on in of for"
_SMALL = frozenset(_SMALL_WORDS.split())
_ALIKE = 0.8
"""More than this two words must be alike to be one: a letter left out of five, not one put for another."""


def _words(text: str) -> list[str]:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    return [w for w in re.findall(r"[a-z0-9]+", bare) if w not in _SMALL]


def _likeness(wanted: str, words: Sequence[str]) -> float:
    """How much the nearest of a name's words is like a wanted one. Numbers and abbreviations are like nothing but themselves."""
    if wanted in words:
        return 1.0
    if len(wanted) <= 2 or any(c.isdigit() for c in wanted):
        return 0.0
    return max((SequenceMatcher(None, wanted, word).ratio() for word in words), default=0.0)


def resolve(name: str, rows: Sequence[CampaignRow]) -> list[CampaignRow]:
    """The campaigns a name may mean: an id, an exact name, all of its words, or a close spelling of each; several when in doubt.
    A word that no name has is never left out: what it says ("menos", "amanhã", another year) would be lost. A platform's name narrows
    down ("forno no tiktok")."""
    exact = [row for row in rows if name.strip() == row.id]
    if exact:
        return exact
    wanted = _words(name)
    if not wanted:
        return []
    platforms: set[str] = {row.platform for row in rows}
    named = platforms & set(wanted)
    pool = [row for row in rows if not named or row.platform in named]
    core = [w for w in wanted if w not in platforms] or wanted
    same = [row for row in pool if [w for w in _words(row.name) if w not in named] == [w for w in core if w not in named]]
    if same:
        return same
    holding = [row for row in pool if set(core) <= set(_words(row.name)) | {row.platform}]
    if holding:
        return holding
    likenesses = [([_likeness(word, [*_words(row.name), row.platform]) for word in core], row) for row in pool]
    scored = [(sum(parts) / len(parts), row) for parts, row in likenesses if min(parts) > _ALIKE]
    best = max((score for score, _ in scored), default=0.0)
    return [row for score, row in scored if score >= best - 0.05]
