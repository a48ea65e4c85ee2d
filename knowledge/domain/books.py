"""What the gate needs of a database, as Protocols: one transaction in which facts are read, judged and recorded together."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from knowledge.domain.action import Action, Actor, Platform
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.facts import Facts, KillSwitch
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Verdict

Status = Literal[
    "refused",  # the law said no
    "suggested",  # advisory level or dry run: recorded, never executed
    "waiting",  # a manager is asked
    "authorised",  # may be executed; room is reserved
    "scheduled",  # authorised, and its grace runs: until `not_before` a manager may stop it or do it at once
    "executing",  # a process is talking to the vendor
    "unknown",  # it was sent and the answer was lost: looked up before anything else
    "done",
    "failed",  # the vendor refused, or gave up after retries
    "rejected",  # a manager said no
    "expired",  # nobody answered in time
    "cancelled",  # the kill switch, a takeover or a manager's withdrawal came between
    "replaced",  # a manager edited it: another action stands in its place
]
FINAL: frozenset[Status] = frozenset({"refused", "suggested", "done", "failed", "rejected", "expired", "cancelled", "replaced"})
DecisionRole = Literal["manager", "admin"]


OVERDUE = timedelta(minutes=15)
"""No attempt takes so long: whoever still has it then is stuck, and is not let write any more."""


class Busy(Exception):
    """Another change of the same campaign is on its way to the platform, or a later decision went there first. Nothing was written."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Proposal(_Record):
    """A typed action somebody asks for. `key` names the intent: the same key is the same action for ever."""

    action: Action
    key: str
    proposer: Actor
    why: Message
    evidence: tuple[dict[str, Any], ...] = ()
    expected: dict[str, Any] | None = None
    confidence: Decimal | None = None
    correlation_id: str | None = None
    undo_of: str | None = None
    priority: Literal["low", "normal", "high", "critical"] = "normal"


class ActionRecord(_Record):
    """An action in the ledger, with what was known and said when it was decided."""

    id: str
    action: Action
    key: str
    fingerprint: str
    proposer: Actor
    why: Message
    evidence: tuple[dict[str, Any], ...]
    expected: dict[str, Any] | None
    confidence: Decimal | None
    correlation_id: str | None
    undo_of: str | None
    status: Status
    verdict: Verdict
    facts: Facts
    attempts: int = 0
    executor: str | None = None
    result: dict[str, Any] | None = None
    error: Message | None = None
    created_at: datetime
    decided_at: datetime
    not_before: datetime | None = None
    """End of the grace of a scheduled action."""
    execution_started_at: datetime | None = None
    """When the last attempt to perform it began."""
    closed_at: datetime | None = None


class Vote(_Record):
    """One manager's yes to a request that needs several."""

    by: str
    role: DecisionRole
    at: datetime


TicketStatus = Literal["pending", "approved", "rejected", "expired", "replaced", "withdrawn"]


class Ticket(_Record):
    """A request for approval. `exposure` is the worst spend the action may cause before the ticket expires.

    `quorum` managers of at least `role` must say yes. `edited_by` is the manager whose edit made this request out of the one of
    `edited_from`; when it is `narrower` than that one, its editor may be among those who say yes.
    """

    action_id: str
    status: TicketStatus
    priority: str
    exposure: Money | None
    requested_at: datetime
    expires_at: datetime
    quorum: int = 1
    role: DecisionRole = "manager"
    votes: tuple[Vote, ...] = ()
    edited_from: str | None = None
    edited_by: str | None = None
    narrower: bool = False
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None


class Refs(_Record):
    """Vendor ids and addresses an effect needs; read from our ledger, never told by a caller."""

    external_id: str | None = None
    to: str | None = None
    lead_key: str | None = None
    lead_name: str | None = None
    lead_phone: str | None = None
    desk_conversation: str | None = None
    company_id: str | None = None
    person_id: str | None = None
    deal_id: str | None = None


class Clearance(NamedTuple):
    """What is looked at immediately before every byte leaves: the kill switches in force, and whether the attempt may write."""

    kills: tuple[KillSwitch, ...]
    held: bool


class GateTx(Protocol):
    """One transaction. Everything done in it is kept together or not at all."""

    async def lock_budget(self, workspace: str, *, soon: bool = False) -> None:
        """Waits for the workspace's budget: from here to the commit nobody else judges or reserves spend. `soon`: before the next
        statement, for who looks at no clock in between."""
        ...

    async def action_by_key(self, key: str) -> ActionRecord | None: ...
    async def action(self, action_id: str, *, lock: bool = False) -> ActionRecord | None: ...
    async def insert(self, record: ActionRecord, ticket: Ticket | None) -> bool:
        """False, and nothing written, when the key is taken: somebody with the same intent was faster by a moment."""
        ...

    async def change(
        self, action_id: str, expected: Status, to: Status, *, holder: tuple[str | None, int] | None = None, **fields: Any
    ) -> bool:
        """Compare-and-set of the status; fields among result, error, facts, verdict, decided_at, not_before, closed_at.

        `holder`: the executor and attempt that must still have it, so that nobody ends somebody else's attempt. A new `decided_at`
        makes the decision the latest about its campaign.
        """
        ...

    async def claim(self, action_id: str, expected: Status, *, executor: str, attempts: int, at: datetime) -> bool:
        """Makes an action `executing`, as the attempt of this number: a compare-and-set of which one caller gets True.

        Two writes of one campaign's budget, or two starts of it, are never on their way at once, and no decision is written over a
        later one: raises Busy, and the whole transaction with it, where it would be so. A stop waits for nobody but a later start.
        """
        ...

    async def clearance(self, action_id: str, executor: str, attempts: int) -> Clearance:
        """The kill switches, and whether this attempt still has the action and no stop of its campaign was decided after a start."""
        ...

    async def starting(self, campaign_id: str) -> bool:
        """Whether a start of the campaign is on its way to the platform."""
        ...

    async def reserve(self, record: ActionRecord, now: datetime) -> None:
        """Holds the room that the action needs until it is settled or released.

        When its verdict rests on a grant (knowledge.domain.grant.grant_of), takes one from the grant's count, once per action.
        Raises GrantSpent when nothing of it is left.
        """
        ...

    async def settle(self, action_id: str, *, kept: bool, now: datetime) -> None: ...
    async def ledger_facts(
        self,
        action: Action,
        proposer: Actor,
        confidence: Decimal | None,
        platform: tuple[PlatformCampaign, ...] | None,
        policy: Policy,
        now: datetime,
        *,
        excluding: str | None,
        read: frozenset[Platform] | None = None,
    ) -> Facts:
        """Ledger and platform read put together (None: none was made, which differs from an empty list).

        `read`: the platforms that were read whole; the action's own when it is not said. Reservations of `excluding` are left out: it is the action itself.
        """
        ...

    async def kills(self) -> tuple[KillSwitch, ...]: ...
    async def add_kill(self, kill: KillSwitch) -> bool:
        """False, and nothing written, when this person has set such a switch already."""
        ...

    async def named(self, scope: str, name: str) -> list[str]:
        """Ids of the campaigns (by id, the platform's id or name), conversations or proposing agents and people that a person may mean.

        One that is called exactly so is meant alone. Of agents and people, those who proposed something are known.
        """
        ...

    async def lift_kill(self, kill_id: str, by: str, now: datetime) -> bool: ...
    async def conversation_epoch(self, conversation_id: str) -> tuple[str, int] | None:
        """(owner, epoch) now."""
        ...

    async def ticket(self, action_id: str, *, lock: bool = False) -> Ticket | None: ...
    async def save_ticket(self, ticket: Ticket) -> bool:
        """Writes a pending ticket's new state: decided, or with another expiry, exposure or votes. False when it was not pending."""
        ...

    async def due_tickets(self, now: datetime) -> list[str]:
        """Actions whose pending ticket's time is over, the oldest first."""
        ...

    async def due_actions(self, now: datetime) -> list[str]:
        """Scheduled actions whose grace is over, the oldest first."""
        ...

    async def agree(self, record: ActionRecord, decided: str, *, agreed: bool, by: str, at: datetime) -> None:
        """Notes what a person made of the house's proposal: autonomy is earned from it. One row an action, the first word counts."""
        ...

    async def undos(self, action_id: str) -> list[ActionRecord]:
        """Every attempt to undo this action, the oldest first."""
        ...

    async def open_ticket(self, record: ActionRecord, ticket: Ticket) -> None:
        """Asks a manager about an action that is in the ledger already."""
        ...

    async def later_change(self, record: ActionRecord, kind: str | None = None) -> ActionRecord | None:
        """The newest other change of the same campaign, or the newest of a kind, decided after this one that was done or may have been,
        or is a stop that will be. Decisions are counted as they are taken; clocks play no part."""
        ...

    async def batch(self, correlation_id: str) -> list[ActionRecord]:
        """Every done action of one cause, the newest first."""
        ...

    async def refs(self, action: Action) -> Refs: ...
    async def apply(self, record: ActionRecord, result: dict[str, Any], now: datetime) -> None:
        """Writes what the effect did into the ledger's own tables (campaigns, messages, links)."""
        ...

    async def executor_alive(self, executor: str) -> bool:
        """Whether that process still lives."""
        ...

    async def stranded(self, executor: str, now: datetime) -> list[str]:
        """Actions that were authorised, executing or unknown and belong to no living executor but this one; stops first, then what
        else is about campaigns. What has been executing for longer than OVERDUE belongs to nobody any more."""
        ...

    async def open_sends(self, conversation_id: str) -> list[ActionRecord]:
        """Texts to the lead that left or may have left, and whose answer has not come; oldest first."""
        ...

    async def audit(self, kind: str, actor: str, at: datetime, payload: dict[str, Any], action_id: str | None = None) -> None:
        """Appends to the hash chain."""
        ...

    async def emit(self, kind: str, at: datetime, payload: dict[str, Any]) -> None:
        """A live event for the cockpit, visible when the transaction commits."""
        ...


class GateBooks(Protocol):
    """Where transactions come from."""

    def transaction(self) -> AbstractAsyncContextManager[GateTx]: ...
    def reading(self) -> AbstractAsyncContextManager[GateTx]:
        """For questions alone: nothing may be written or locked, and each question sees what is committed when it is asked."""
        ...
