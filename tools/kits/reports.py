"""ReportKit: the day in figures, for the analyst and the CEO."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, ConfigDict

from knowledge.domain.message import Message
from knowledge.domain.money import Money
from prompts.messages import DEFAULT_LOCALE
from tools.kits import Tool, as_json
from tools.kits.media import DecisionRow, PerformanceRow


class DaySummary(BaseModel):
    """The account's current day. Amounts that could not be read are None, never zero."""

    model_config = ConfigDict(frozen=True)

    day: str
    spend: Money | None
    revenue: Money | None
    daily_cap: Money
    campaigns: tuple[PerformanceRow, ...]
    decisions: tuple[DecisionRow, ...]
    pending_approvals: int
    open_alerts: tuple[Message, ...]
    new_leads: int | None
    hot_leads: int | None
    ref: str


class ReportDesk(Protocol):
    """Where the day's figures come from."""

    async def day_summary(self) -> DaySummary: ...


class ReportKit:
    """Read only."""

    def __init__(self, desk: ReportDesk, *, locale: str = DEFAULT_LOCALE) -> None:
        self._desk = desk
        self._locale = locale

    def tools(self) -> list[Tool]:
        """The methods a model is offered."""
        return [self.day_summary]

    async def day_summary(self) -> str:
        """Today: spend against the cap, revenue, campaigns, decisions, approvals that wait, alerts, leads."""
        return as_json(await self._desk.day_summary(), self._locale)
