"""What the request kit reads and does for one message of one person: the cockpit's own reading of the queue, and the gate's functions.

Who decides is the signed-in actor. Whether a message orders something, or says yes, is read from the person's own words by rule
(agents.offline.commands); a model can only ask for what is then shown to the person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from agents.offline.because import is_question
from agents.offline.commands import parse
from knowledge.domain.action import Actor, Platform
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from runtime.cockpit.cards import Card, card
from runtime.cockpit.numbers import Numbers
from runtime.cockpit.speak import Speaker, money_of
from runtime.cockpit.words import Words
from runtime.db.action_reads import ActionReads, ActionRow
from runtime.db.chat_offers import Where
from tools.gate import Outcome
from tools.gate.answers import may_decide
from tools.gate.requests import EDITABLE
from tools.kits.media import CampaignRow
from tools.kits.requests import MAX_REASON, ChangeRow, Command, Plan, RequestRow, StopRow, Target, Word

if TYPE_CHECKING:
    from runtime.wiring import House

FEED = 200
BUDGETED = frozenset(kind.model_fields["kind"].default for kind, names in EDITABLE.items() if "daily_budget" in names)
ORDERS: dict[str, Command] = {
    "approve": "approve", "reject": "reject", "edit": "edit", "extend": "extend", "act_early": "act_early", "withdraw": "withdraw",
    "undo": "undo", "stop_all": "stop", "stop_part": "stop", "lift": "lift",
}  # fmt: skip


@dataclass
class RequestDesk:
    """`message` is what the person wrote, `number` names it; without a person's message (AgentOS's own routes) nothing is ordered,
    and an actor that may not decide is told so by the gate."""

    house: House
    actor: Actor
    locale: str
    message: str | None = None
    number: str = ""
    conversation: str = ""
    shown: list[str] = field(default_factory=list[str])
    acted: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._heard = parse(self.message or "")
        self._own: set[str] = set()

    @property
    def time_zone(self) -> str:
        return self.house.policy().time_zone

    @property
    def _where(self) -> Where:
        return Where(str(self.actor), self.conversation, self.number)

    def _reads(self) -> ActionReads:
        return ActionReads(self.house.db, self.house.policy())

    def _speaker(self) -> Speaker:
        return Speaker(Words(self.locale), Numbers(self.locale, self.time_zone), self.house.render, self.house.clock.now())

    # -- who says what -------------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """A message that is no yes ends whatever was being asked: a yes counts for the question just before it."""
        if self.message is not None and self._heard.kind != "confirm":
            async with self.house.db.transaction() as tx:
                await tx.chat_offers.drop(self._where, at=self.house.clock.now())

    def ordered(self, command: Command) -> bool:
        order = self._heard.order
        nameless = self._heard.kind == "stop_part" and order is not None and not order.ref and not order.whole
        return ORDERS.get(self._heard.kind) == command and not nameless and not is_question(self.message or "")

    def hopeless(self, plan: Plan) -> bool:
        if not may_decide(self.actor):
            return True
        return plan.command == "approve" and bool(plan.targets) and all(target.id in self._own for target in plan.targets)

    async def ask(self, plan: Plan, text: str) -> datetime | None:
        now = self.house.clock.now()
        until = now + self.house.confirm_within
        async with self.house.db.transaction() as tx:
            made = await tx.chat_offers.make(self._where, plan.model_dump(mode="json"), text, at=now, expires_at=until)
        return until if made else None

    async def confirmed(self) -> Plan | None:
        if self._heard.kind != "confirm":
            return None
        async with self.house.db.transaction() as tx:
            kept = await tx.chat_offers.take(self._where, at=self.house.clock.now())
        return None if kept is None else Plan.model_validate(kept)

    def show(self, text: str) -> None:
        if self.message is not None:
            self.shown.append(text)

    # -- reading -------------------------------------------------------------------------------------------------------------

    async def campaigns(self) -> Sequence[CampaignRow]:
        async with self.house.db.transaction() as tx:
            found = await tx.campaigns.list()
        return [
            CampaignRow(
                id=c.id, name=c.name, platform=c.platform, status=c.status, daily_budget=c.daily_budget, ref=f"campaigns:{c.id}"
            )
            for c in sorted(found, key=lambda c: c.name)
        ]

    async def requests(self) -> Sequence[RequestRow]:
        reads, people = self._reads(), may_decide(self.actor)
        rows = [*await reads.pending(FEED, people=people), *await reads.scheduled(FEED, people=people)]
        short, say = shortened(row.id for row in rows), self._speaker()
        self._own = {
            row.id for row in rows if f"{row.proposer_kind}:{say.who(row.proposer_kind, row.proposer_id)}" == str(self.actor)
        }
        return [self._request(say, row, short[row.id]) for row in rows]

    def _request(self, say: Speaker, row: ActionRow, short: str) -> RequestRow:
        until = row.not_before if row.status == "scheduled" else row.expires_at
        assert until is not None, f"action {row.id} is {row.status} without an end"
        return RequestRow(
            id=row.id, short=short, title=say.title(row), status=row.status, campaign_id=row.campaign_id,
            campaign=row.campaign_name or row.args.get("name"), platform=cast("Platform | None", row.platform), at=row.created_at,
            lines=self._essentials(say, card(say, row, self.house.policy())), until=until, exposure=row.exposure, before=_before(row),
            currency=_currency(row, self.house.policy().currency), editable=row.kind in BUDGETED, fingerprint=row.fingerprint,
        )  # fmt: skip

    def _essentials(self, say: Speaker, shown: Card) -> tuple[str, ...]:
        """What a person must know before a yes: what changes, why it is asked, which rules ask, and the worst it may cost."""
        lines = [
            f"{d.label}: {' → '.join(part for part in (d.before, d.after) if part)}{f' ({d.delta})' if d.delta else ''}"
            for d in shown.difference
        ]
        lines.append(f"{say.words('approvals.why')}: {shown.why} ({shown.by})")
        lines += [reason.text for reason in shown.reasons]
        lines.append(f"{shown.worst_label}: {shown.worst}")
        return (*lines, *([shown.needed] if shown.needed else ()))

    async def changes(self) -> Sequence[ChangeRow]:
        return self._changes(await self._reads().feed(FEED, people=False))

    async def of_cause(self, cause: str) -> Sequence[ChangeRow]:
        rows = await self._reads().together(cause, people=False)
        return self._changes([row for row in rows if row.undo_of is None])

    def _changes(self, rows: Sequence[ActionRow]) -> list[ChangeRow]:
        say, short = self._speaker(), shortened(row.id for row in rows)
        return [
            ChangeRow(
                id=row.id, short=short[row.id], title=say.title(row), status=row.status, campaign_id=row.campaign_id,
                campaign=row.campaign_name, platform=cast("Platform | None", row.platform), at=row.at, cause=row.correlation_id,
                taken_back=row.undone or row.undo_of is not None,
            )
            for row in rows
        ]  # fmt: skip

    async def stops(self) -> Sequence[StopRow]:
        say = self._speaker()
        return [
            StopRow(
                id=stop.id, scope=stop.scope, target=stop.target,
                text=self._text("chat.stop.row", what=say.kill(stop), who=say.actor(stop.set_by), at=stop.set_at, reason=stop.reason),
            )
            for stop in await self._reads().kills()
        ]  # fmt: skip

    # -- the gate ------------------------------------------------------------------------------------------------------------

    async def edit_preview(self, target: Target, amount: Money) -> Word:
        return _word(target, await self.house.gate.preview(target.id, self.actor, {"daily_budget": amount.model_dump(mode="json")}))

    async def undo_preview(self, target: Target) -> Word:
        plan = await self.house.gate.undo_plan(target.id)
        return Word(title=target.title, ok=plan.possible, message=plan.message, action_id=target.id)

    async def decide(self, plan: Plan) -> Sequence[Word]:
        gate, who = self.house.gate, self.actor
        reason = plan.reason or (self.message or "")[:MAX_REASON]
        match plan.command:
            case "stop":
                return [_word(Target(id="", title=""), await gate.kill(plan.scope, plan.scoped_to, who, reason))]
            case "lift":
                (stop,) = plan.targets
                return [Word(title="", ok=(out := await gate.resume(stop.id, who)).ok, message=out.message)]
            case "undo_cause":
                # Only what was shown: what the cause has done since is asked about anew.
                now = {row.id for row in await self.of_cause(plan.cause or "") if row.status == "done"}
                if now != {target.id for target in plan.targets}:
                    return [Word(title="", ok=False, message=Message(id="chat.confirm.moved"))]
                return self._noted(await self._each(await gate.undo_batch(plan.cause or "", who, reason)))
            case _:
                pass
        current, moved = await self._unmoved(plan)
        done: list[Outcome]
        match plan.command:
            case "approve":
                done = await gate.approve_many([(target.id, target.fingerprint) for target in current], who)
            case "reject":
                done = await gate.reject_many([target.id for target in current], who, reason)
            case "edit":
                assert plan.amount is not None, "an edit without its amount was kept"
                changes = {"daily_budget": plan.amount.model_dump(mode="json")}
                done = [await gate.edit(target.id, who, changes, reason, target.fingerprint) for target in current]
            case "extend":
                done = [await gate.extend(target.id, who, plan.hours) for target in current]
            case "act_early":
                done = [await gate.act_early(target.id, who) for target in current]
            case "withdraw":
                done = [await gate.withdraw(target.id, who, reason) for target in current]
            case "undo":
                done = [await gate.undo(target.id, who, reason) for target in current]
        return self._noted([*(_word(target, out) for target, out in zip(current, done, strict=True)), *moved])

    async def _unmoved(self, plan: Plan) -> tuple[list[Target], list[Word]]:
        """The targets as they were shown, and a word about each whose figures are others by now (somebody else asked the gate)."""
        if plan.command not in ("approve", "edit"):
            return list(plan.targets), []
        rows = await self._reads().many(target.id for target in plan.targets)
        same = [target for target in plan.targets if target.id not in rows or _before(rows[target.id]) == target.before]
        other = [target for target in plan.targets if target not in same]
        moved = Message(id="chat.confirm.moved")
        return same, [Word(title=target.title, ok=False, message=moved, action_id=target.id) for target in other]

    async def _each(self, outcomes: Sequence[Outcome]) -> list[Word]:
        """Outcomes that name their own actions."""
        rows, say = await self._reads().many(out.action_id for out in outcomes if out.action_id), self._speaker()
        named = [(out, rows.get(out.action_id or "")) for out in outcomes]
        return [_word(Target(id=out.action_id or "", title=say.title(row) if row else ""), out) for out, row in named]

    def _noted(self, words: list[Word]) -> list[Word]:
        self.acted += [word.action_id for word in words if word.action_id]
        return words

    def _text(self, message_id: str, **params: Any) -> str:
        return self.house.render(Message(id=message_id, params=params), self.locale)


def shortened(ids: Iterable[str]) -> dict[str, str]:
    """id -> the beginning that no other of them shares: four letters, or more where they are alike."""
    known = list(dict.fromkeys(ids))
    return {
        one: next(one[:n] for n in range(4, len(one) + 1) if not any(other[:n] == one[:n] for other in known if other != one))
        for one in known
    }


def _word(target: Target, outcome: Outcome) -> Word:
    """Where a rule refuses, only what refuses is said: "approve, edit or reject" of a rule that asks is no answer to a no."""
    refusing = [f.message for f in outcome.findings if f.answer == "refuse"]
    asking = [f.message for f in outcome.findings if f.answer == "ask"]
    findings = () if outcome.ok else tuple(refusing or asking)
    return Word(
        title=target.title,
        ok=outcome.ok,
        message=outcome.message,
        findings=findings,
        action_id=outcome.action_id or target.id or None,
    )


def _before(row: ActionRow) -> Money | None:
    """The budget that stood when the request was last judged, in the ad account's own currency: what a person was shown as "before"."""
    campaign = (row.facts or {}).get("campaign") or {}
    return money_of(campaign.get("native_budget")) or money_of(campaign.get("daily_budget"))


def _currency(row: ActionRow, default: str) -> str:
    asked = money_of(row.args.get("daily_budget"))
    return default if asked is None else asked.currency
