"""What the cockpit asks of the rest of the house: a database, a clock, the gate, the chat, and how it should look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from knowledge.domain.action import Actor
from knowledge.domain.clock import Clock
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from tools.gate import Outcome, UndoPlan

if TYPE_CHECKING:
    from runtime.db.uow import Database

KillScope = Literal["all", "platform", "campaign", "agent", "conversation"]
KILL_SCOPES: tuple[KillScope, ...] = ("all", "platform", "campaign", "agent", "conversation")


@dataclass(frozen=True)
class ChatAnswer:
    """The CEO's answer: text in the asker's language, the rows it rests on, and the actions it proposed or decided, if any."""

    text: str
    rows: tuple[Mapping[str, Any], ...] = ()
    action_ids: tuple[str, ...] = ()

    @property
    def action_id(self) -> str | None:
        """The first of them."""
        return self.action_ids[0] if self.action_ids else None


class GatePort(Protocol):
    """The one door, as people use it (tools.gate.Gate is one). Actors come from the session, never from the form."""

    async def approve(self, action_id: str, actor: Actor, fingerprint: str | None = None) -> Outcome:
        """Approves exactly the arguments the manager saw; re-judged on fresh facts. A changed action is an Outcome too."""
        ...

    async def approve_many(self, requests: Iterable[tuple[str, str | None]], actor: Actor) -> list[Outcome]: ...
    async def reject(self, action_id: str, actor: Actor, reason: str) -> Outcome: ...
    async def reject_many(self, action_ids: Iterable[str], actor: Actor, reason: str) -> list[Outcome]: ...
    async def preview(self, action_id: str, actor: Actor, changes: dict[str, Any]) -> Outcome: ...
    async def edit(
        self, action_id: str, actor: Actor, changes: dict[str, Any], reason: str, fingerprint: str | None = None
    ) -> Outcome: ...
    async def extend(self, action_id: str, actor: Actor, hours: int) -> Outcome: ...
    async def act_early(self, action_id: str, actor: Actor) -> Outcome: ...
    async def withdraw(self, action_id: str, actor: Actor, reason: str) -> Outcome: ...
    async def undo_plan(self, action_id: str) -> UndoPlan: ...
    async def undo(self, action_id: str, actor: Actor, why: str = "") -> Outcome: ...
    async def undo_batch(self, correlation_id: str, actor: Actor, why: str = "") -> list[Outcome]: ...
    async def kill(self, scope: KillScope, target: str | None, actor: Actor, reason: str) -> Outcome:
        """Sets a stop that holds from the return of this call on. `target` is None for scope all."""
        ...

    async def resume(self, kill_id: str, actor: Actor) -> Outcome: ...


class ChatPort(Protocol):
    """Natural language to the CEO. Commands become typed plans through the gate."""

    async def ask(self, user: Actor, text: str, locale: str) -> ChatAnswer: ...


@dataclass(frozen=True)
class CockpitSettings:
    """How the cockpit looks and behaves. Caps, currency, time zone and autonomy come from the policy itself."""

    policy: Policy
    default_locale: Literal["pt-BR", "en"] = "pt-BR"
    secure_cookies: bool = True
    session_hours: int = 12
    demo: bool = False
    demo_credentials: tuple[str, str] | None = None
    """Shown on the login page of the demo, never elsewhere."""
    model_label: str = "offline"
    model_offline: bool = True
    quick_prompts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Locale -> sentences; empty means the cockpit's own."""


@dataclass(frozen=True)
class CockpitDeps:
    """Everything `build_router` needs. `prefix` is where the pages live ("" or "/cockpit")."""

    database: Database
    clock: Clock
    gate: GatePort
    chat: ChatPort
    settings: CockpitSettings
    prefix: str = ""
    render: Callable[[Message, str], str] | None = None
    """Domain sentences in a locale; by default prompts.messages.render."""
