"""The parts of the page that live: what each needs to be drawn, and which kinds of event touch it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from knowledge.domain.facts import Facts
from knowledge.domain.money import EXPONENTS, Money
from runtime.cockpit import cards, edits, figures
from runtime.cockpit.auth import Session
from runtime.cockpit.speak import Speaker
from runtime.cockpit.web import Web
from runtime.db.action_reads import ActionRow
from runtime.db.cockpit_reads import Counts, DayRow
from tools.guardrails.exposure import worst_today

TALK = ("message.", "desk.", "crm.")
"""Kinds of actions that serve a conversation."""
REGIONS = ("status", "kpis", "approvals", "scheduled", "alerts", "chart", "campaigns", "refusals", "feed")
MAX_CARDS, MAX_FEED, MAX_TALK, MAX_ALERTS, MAX_CAMPAIGNS, MAX_MARKS, MAX_REFUSALS = 20, 20, 8, 10, 8, 40, 5
REFUSALS = timedelta(days=3)
"""How long a refusal is news."""
CHART_DAYS = 30

_TOUCHES: dict[str, tuple[str, ...]] = {
    "approval": ("approvals", "scheduled", "refusals", "feed", "kpis"),
    "action": ("feed", "kpis", "approvals", "scheduled", "refusals", "chart", "campaigns"),
    "kill": ("status", "feed", "approvals"),
    "alert": ("alerts",),
    "message": ("kpis",),
    "conversation": ("kpis",),
    "lead": ("kpis",),
    "order": ("kpis", "chart", "campaigns"),
    "analytics": ("kpis", "chart", "campaigns"),
    "campaign": ("kpis", "campaigns"),
    "queue": ("kpis",),
}


def touched(kind: str) -> tuple[str, ...]:
    """Regions to draw again after a live event; all of them for a kind we do not know."""
    return _TOUCHES.get(kind.partition(".")[0], REGIONS)


@dataclass(frozen=True)
class Kpi:
    """One number with what makes it readable. `why` explains a dash; `bar` is 0-100."""

    id: str
    label: str
    value: str
    sub: str | None = None
    note: str | None = None
    tone: str = "plain"
    bar: int | None = None
    bar_label: str | None = None
    wide: bool = False


class Regions:
    """Draws regions for one request."""

    def __init__(self, web: Web, say: Speaker, session: Session) -> None:
        self._web = web
        self._say = say
        self._session = session
        self._reads = web.reads
        self._policy = web.policy
        self._now = web.deps.clock.now()
        self._today = say.numbers.local_day(self._now)
        self._days: list[DayRow] | None = None

    async def context(self, name: str) -> dict[str, Any]:
        """The template values of one region. Raises KeyError for an unknown name."""
        makers = {
            "status": self._status,
            "kpis": self._kpis,
            "approvals": self._approvals,
            "scheduled": self._scheduled,
            "refusals": self._refusals,
            "alerts": self._alerts,
            "chart": self._chart,
            "campaigns": self._campaigns,
            "feed": self._feed,
        }
        return await makers[name]()

    async def all(self) -> dict[str, Any]:
        """Every region's values for the whole page."""
        merged: dict[str, Any] = {}
        for name in REGIONS:
            merged |= await self.context(name)
        return merged

    async def _history(self) -> list[DayRow]:
        if self._days is None:
            self._days = await self._reads.days(self._today, CHART_DAYS + 7)
        return self._days

    async def _status(self) -> dict[str, Any]:
        kills = await self._reads.kills()
        return {"kills": kills, "all_stopped": any(kill.scope == "all" for kill in kills)}

    def view(self, row: ActionRow) -> dict[str, Any]:
        """A card with the forms of who looks at it: what may be edited, and why a yes of theirs would not count."""
        say, session = self._say, self._session
        blocked = cards.may_not(say, row, str(session.actor), session.role) if session.may("manager") else None
        waiting = row.ticket_status == "pending"
        return {"card": cards.card(say, row, self._policy), "fields": edits.fields(say, row) if waiting else [], "blocked": blocked}

    async def _approvals(self) -> dict[str, Any]:
        rows = await self._reads.pending(MAX_CARDS, people=self._session.may("manager"))
        return {"views": [self.view(row) for row in rows], "most_hours": self._policy.autonomy.max_approval_hours}

    async def _scheduled(self) -> dict[str, Any]:
        rows = await self._reads.scheduled(MAX_CARDS, people=self._session.may("manager"))
        return {
            "coming": [cards.card(self._say, row, self._policy) for row in rows],
            "most_hours": self._policy.autonomy.max_approval_hours,
        }

    async def _refusals(self) -> dict[str, Any]:
        rows = await self._reads.refusals(self._now - REFUSALS, MAX_REFUSALS, people=self._session.may("manager"))
        return {"refused": [cards.card(self._say, row, self._policy) for row in rows]}

    async def _alerts(self) -> dict[str, Any]:
        rows = await self._reads.alerts(MAX_ALERTS)
        return {"alerts": [(row, self._say.message(row.message)) for row in rows]}

    async def _feed(self) -> dict[str, Any]:
        manager = self._session.may("manager")
        # Every answer to a lead is an action too: on a busy day they would push what was decided about money off the page.
        rows = await self._reads.feed(MAX_FEED, people=False)
        if manager:
            newest = {row.id: row for row in await self._reads.feed(MAX_FEED, people=True)}
            talk = [row.id for row in newest.values() if row.kind.startswith(TALK)]
            for spare in talk[MAX_TALK:]:
                del newest[spare]
            rows = sorted(({row.id: row for row in rows} | newest).values(), key=lambda row: row.at, reverse=True)[:MAX_FEED]
        return {"feed": [self._say.line(row, may_undo=manager) for row in rows]}

    async def _campaigns(self) -> dict[str, Any]:
        rows = await self._reads.campaigns(self._today, MAX_CAMPAIGNS)
        currency = self._policy.currency
        lines = [
            {
                "row": row,
                "spend": None if row.spend is None else Money(minor=row.spend, currency=currency),
                "platform": _over(row.revenue, row.spend),
                "real": _over(row.order_value, row.spend) if row.orders or row.spend else None,
            }
            for row in rows
        ]
        return {"campaigns": lines}

    async def _chart(self) -> dict[str, Any]:
        days = await self._history()
        chart = figures.points(days, CHART_DAYS)
        rows = await self._reads.decided(self._now - timedelta(days=CHART_DAYS), MAX_MARKS)
        say = self._say
        marks = [
            {"day": say.numbers.local_day(row.at).isoformat(), "text": say.line(row, may_undo=False).what, "id": row.id}
            for row in rows
        ]
        known = any(point.spend is not None for point in chart)
        data = figures.series(chart, EXPONENTS[self._policy.currency]) | {
            "marks": [{"day": mark["day"], "text": mark["text"]} for mark in marks],
            "target": float(self._policy.targets.roas),
            "lang": say.words.locale,
            "words": {
                "real": say.words("chart.real"),
                "platform": say.words("chart.platform"),
                "spend": say.words("chart.spend"),
            },
        }
        latest = [(row, say.line(row, may_undo=False)) for row in reversed(rows[-5:])]
        return {
            "chart": chart if known else [],
            "chart_data": json.dumps(data, separators=(",", ":")),
            "marked": latest,
            "currency": self._policy.currency,
            "Money": Money,
        }

    # -- the headline numbers ------------------------------------------------------------------------------------------------

    async def _kpis(self) -> dict[str, Any]:
        days = await self._history()
        counts = await self._reads.counts(self._now)
        kpis = [
            self._spent(days[-1], counts, await self._week(days)),
            await self._worst(),
            self._real(days, counts),
            self._platform(days),
            self._talks(counts),
            self._work(counts),
        ]
        return {"kpis": kpis, "counts": counts}

    async def _week(self, days: Sequence[DayRow]) -> Money:
        this_week = days[len(days) - 1 - self._today.weekday() :]
        return self._money(sum(day.spend or 0 for day in this_week))

    def _spent(self, today: DayRow, counts: Counts, week: Money) -> Kpi:
        t, n, limits = self._say.words, self._say.numbers, self._policy.guardrails.financial
        notes = [t("kpi.week", spent=n.money(week), cap=n.money(limits.weekly_cap))]
        if counts.other_currencies:
            notes.append(t("kpi.other_currency", codes=", ".join(counts.other_currencies)))
        cap = t("kpi.spent_sub", cap=n.money(limits.daily_cap))
        if today.spend is None:
            return Kpi("spent", t("kpi.spent"), "—", t("kpi.spent_none"), f"{cap} · {notes[0]}")
        spent = self._money(today.spend)
        share = spent.ratio_to(limits.daily_cap) or Decimal(0)
        tone = "bad" if share >= 1 else "warn" if share >= limits.alert_at else "ok"
        label = t("kpi.spent_bar", share=n.percent(share))
        return Kpi("spent", t("kpi.spent"), n.money(spent), cap, " · ".join(notes), tone, min(100, int(share * 100)), label)

    async def worst_today(self) -> Money | None:
        """The most that today may cost if nobody decides anything more; None when a running budget is unknown."""
        books = await self._reads.budget(self._now)
        return worst_today(None, Facts(now=self._now, proposer="system:cockpit", budget=books), self._policy)

    async def _worst(self) -> Kpi:
        t, n, limits = self._say.words, self._say.numbers, self._policy.guardrails.financial
        worst = await self.worst_today()
        if worst is None:
            return Kpi("worst", t("kpi.worst"), "—", t("kpi.worst_none"), tone="warn")
        share = worst.ratio_to(limits.daily_cap) or Decimal(0)
        tone = "bad" if share > 1 else "warn" if share >= limits.alert_at else "ok"
        label = t("kpi.spent_bar", share=n.percent(share))
        return Kpi(
            "worst",
            t("kpi.worst"),
            n.money(worst),
            t("kpi.worst_sub", share=n.percent(share)),
            None,
            tone,
            min(100, int(share * 100)),
            label,
        )

    def _real(self, days: Sequence[DayRow], counts: Counts) -> Kpi:
        t, n = self._say.words, self._say.numbers
        label = t("kpi.roas_real")
        if not counts.has_orders:
            return Kpi("roas-real", label, "—", t("kpi.no_shop"))
        now, before = figures.real_roas(days[-7:]), figures.real_roas(days[-14:-7])
        if now.value is None:
            return Kpi("roas-real", label, "—", t("kpi.no_spend"))
        interval = t("kpi.interval", interval=n.interval(now.low, now.high)) if now.low else t("kpi.interval_few")
        notes = [t("kpi.orders", n=n.decimal(now.events, 0))]
        delta = figures.change(now.value, before.value)
        if delta is not None:
            notes.append(t("kpi.before", delta=n.percent(delta, signed=True)))
        tone = "ok" if now.value >= self._policy.targets.roas else "warn"
        return Kpi("roas-real", label, n.decimal(now.value), interval, " · ".join(notes), tone)

    def _platform(self, days: Sequence[DayRow]) -> Kpi:
        t, n = self._say.words, self._say.numbers
        label = t("kpi.roas_platform")
        now, real = figures.platform_roas(days[-7:]), figures.real_roas(days[-7:])
        if now.value is None:
            return Kpi("roas-platform", label, "—", t("kpi.no_spend"))
        interval = t("kpi.interval", interval=n.interval(now.low, now.high)) if now.low else t("kpi.interval_few_conversions")
        notes: list[str] = []
        delta = figures.change(now.value, real.value) if real.events else None
        if delta is not None:
            notes.append(t("kpi.vs_real", delta=n.percent(delta, signed=True)))
        if now.provisional:
            notes.append(t("kpi.provisional"))
        return Kpi("roas-platform", label, n.decimal(now.value), interval, " · ".join(notes) or None)

    def _talks(self, counts: Counts) -> Kpi:
        t, n = self._say.words, self._say.numbers
        if counts.with_bot + counts.with_human == 0:
            return Kpi("talks", t("kpi.talks"), n.decimal(0, 0), t("kpi.talks_none"))
        sub = t("kpi.talks_sub", n=n.decimal(counts.with_bot, 0), today=n.decimal(counts.conversations_today, 0))
        return Kpi("talks", t("kpi.talks"), n.decimal(counts.with_human, 0), sub)

    def _work(self, counts: Counts) -> Kpi:
        t, n = self._say.words, self._say.numbers
        trouble = counts.unknown + counts.inbox_dead + len(counts.breakers_open)
        notes: list[str] = []
        if counts.unknown:
            notes.append(t("kpi.work_unknown", n=n.decimal(counts.unknown, 0)))
        if counts.inbox_dead:
            notes.append(t("kpi.work_dead", n=n.decimal(counts.inbox_dead, 0)))
        if counts.breakers_open:
            notes.append(t("kpi.work_breakers", names=", ".join(counts.breakers_open)))
        busy = counts.running + counts.inbox_waiting
        value = t("kpi.work_ok")
        if trouble:
            value = t("kpi.work_trouble", n=n.decimal(trouble, 0))
        elif busy:
            value = t("kpi.work_waiting", n=n.decimal(busy, 0))
        sub = t("kpi.work_sub", running=n.decimal(counts.running, 0), waiting=n.decimal(counts.inbox_waiting, 0))
        return Kpi("work", t("kpi.work"), value, sub, " · ".join(notes) or None, "warn" if trouble else "ok")

    def _money(self, minor: int) -> Money:
        return Money(minor=minor, currency=self._policy.currency)


def _over(revenue: int | None, spend: int | None) -> Decimal | None:
    return None if revenue is None or not spend else Decimal(revenue) / Decimal(spend)


__all__ = ["REGIONS", "Kpi", "Regions", "touched"]
