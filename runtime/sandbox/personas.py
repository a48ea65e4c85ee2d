"""The people of the sandbox: new leads every day on WhatsApp, and the salespeople who take over in Chatwoot."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from runtime.sandbox import zapi_state
from runtime.sandbox.persona_lead import LOCAL, Lead, make_profile
from runtime.sandbox.salesperson import Salespeople
from runtime.sandbox.twin_state import state_of
from runtime.sandbox.world import World

KINDS = ("hot", "warm", "cold")
WEIGHTS = (0.35, 0.4, 0.25)
DAY = (8, 21)
"""Hours of the day (São Paulo) in which new leads write."""


class Personas:
    """All leads of a world, by serial number."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.zapi = zapi_state.of(world)
        self.leads: dict[str, Lead] = {}
        self.salespeople = Salespeople(world)
        self.zapi.listeners.append(self._heard)
        world.book_sections["leads"] = self.book

    async def _heard(self, message: zapi_state.Message) -> None:
        lead = self.leads.get(message.phone)
        # an edit changes what was said; nobody answers it again
        if lead is not None and message.direction in ("out", "phone") and message.edits is None:
            await lead.hears(message)

    def add(self, kind: str, at: datetime) -> Lead:
        """Makes the next lead, of a kind, and schedules its first contact. Raises ValueError on an unknown kind."""
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r}: one of {', '.join(KINDS)}")
        lead = Lead(self.world, self.zapi, make_profile(self.world, len(self.leads), kind))
        self.leads[lead.who.phone] = lead
        lead.first_contact(at)
        return lead

    def every_day(self, count: int) -> None:
        """Schedules today's leads, and itself for the next midnight in São Paulo. The first three ever are one of each kind."""
        now = self.world.now
        local = now.astimezone(LOCAL)
        opens = max(local.replace(hour=DAY[0], minute=0, second=0, microsecond=0), local)
        closes = local.replace(hour=DAY[1], minute=0, second=0, microsecond=0)
        rng = self.world.rng("new leads", local.date().isoformat())
        if opens < closes:
            for moment in sorted(rng.uniform(0, (closes - opens).total_seconds()) for _ in range(count)):
                kind = KINDS[len(self.leads)] if len(self.leads) < len(KINDS) else rng.choices(KINDS, WEIGHTS)[0]
                self.add(kind, (opens + timedelta(seconds=moment)).astimezone(now.tzinfo))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

        async def again() -> None:
            self.every_day(count)

        self.world.at(midnight.astimezone(now.tzinfo), again)

    def book(self) -> dict[str, Any]:
        """Every lead's truth and story, for scoring what the product understood."""
        return {"leads": [lead.book() for lead in self.leads.values()], "sales": self.salespeople.book()}


def of(world: World) -> Personas:
    """The people of a world, made on first use; nobody writes before `install` or `add`."""
    return state_of(world, Personas)[0]


def install(world: World, count_per_day: int = 4) -> None:
    """Lets `count_per_day` new leads write every simulated day, for ever. Raises ValueError on a negative count."""
    if count_per_day < 0:
        raise ValueError("count_per_day: must not be negative")
    of(world).every_day(count_per_day)
