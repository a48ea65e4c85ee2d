"""Earned autonomy: a manager's grant for one kind of action, with bounds, a count and an end."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from knowledge.domain.money import Money
from knowledge.domain.verdict import Verdict

GRANTABLE = ("campaign.set_budget", "campaign.pause", "campaign.resume")
"""Kinds whose autonomy can be earned. Publication has its own dial, and messages are judged by their text."""


class GrantFact(BaseModel):
    """A grant as the gate reads it under the budget lock. `left` is how many actions may still use it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    action_kind: str
    max_amount: Money
    max_change: Decimal | None = None
    """Largest change of a budget, up or down, as a share of the lower of today's and yesterday's; None: the dial's line stays."""
    left: int = Field(ge=0)
    expires_at: datetime
    rejections_in_row: int = Field(default=0, ge=0)
    """Requests of this kind that managers rejected one after the other since the grant was given."""

    undone: int = Field(default=0, ge=0)
    """Actions that used the grant and were undone since: one is enough to end it."""

    def valid(self, kind: str, now: datetime, most_rejections: int) -> bool:
        """Whether it holds for this kind now. Rejections in a row, and an undo of what it did, end it at once, before anybody has
        written so."""
        living = self.action_kind == kind and self.left > 0 and now < self.expires_at
        return living and self.rejections_in_row < most_rejections and self.undone == 0


def grant_of(verdict: Verdict) -> str | None:
    """The grant an allowed action rests on; its count falls by one in the transaction that authorises the action."""
    if verdict.answer != "allow":
        return None
    return next((str(n) for f in verdict.findings if (n := f.numbers.get("grant")) is not None), None)


def machine(proposer: str) -> bool:
    """Whether a machine asks. Grants are for machines: a person's own command is judged as before."""
    return not proposer.startswith("user:")


class GrantSpent(LookupError):
    """A grant was used up, ended or was revoked between the judgement and its use. Nothing was authorised."""
