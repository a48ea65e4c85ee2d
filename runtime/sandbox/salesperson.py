"""The salespeople in Chatwoot's panel: they take handed-off conversations in office hours, write, answer, resolve or give back."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from runtime.sandbox import chatwoot_state as state
from runtime.sandbox import persona_lines as lines
from runtime.sandbox import piperun
from runtime.sandbox.phone import canonical
from runtime.sandbox.world import World

LOCAL = ZoneInfo("America/Sao_Paulo")
OFFICE = (8, 18)
MAX_REPLIES = 2


@dataclass
class Case:
    """A conversation that a human works on. `outcome` is None while it goes on: resolved, given_back or left_open after."""

    conversation_id: int
    agent: dict[str, Any]
    noted: bool
    taken_at: datetime | None = None
    replies: int = 0
    outcome: str | None = None
    answering: bool = False


class Salespeople:
    """Listens to Chatwoot; acts in simulated time; every choice is drawn from the conversation's id and the step."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.desk = state.of(world)
        self.cases: dict[int, Case] = {}
        self.desk.listeners.append(self._heard)

    async def _heard(self, event: str, conversation: state.Conversation, message: state.Message | None) -> None:
        if event == "conversation_status_changed" and conversation.status == "open":
            self._queue(conversation)
        elif event == "message_created" and message is not None and message.message_type == "incoming":
            case = self.cases.get(conversation.id)
            if case is not None and case.taken_at is not None and case.outcome is None and not case.answering:
                case.answering = True
                rng = self.world.rng("sales", conversation.id, "answer", case.replies)
                self.world.at(office(self.world.now + timedelta(minutes=rng.uniform(2, 10))), lambda: self._answer(case))

    def _queue(self, conversation: state.Conversation) -> None:
        case = self.cases.get(conversation.id)
        if case is not None and case.outcome is None:
            return
        notes = [m for m in self.desk.of_conversation(conversation.id) if m.private and (m.sender or {}).get("type") == "agent_bot"]
        rng = self.world.rng("sales", conversation.id, "take")
        agent = rng.choice(list(state.USERS.values()))
        case = Case(conversation.id, agent, bool(notes))
        self.cases[conversation.id] = case
        # a summary invites; a bare "open" is noticed later
        wait = rng.uniform(3, 15) if notes else rng.uniform(30, 60)
        self.world.at(office(self.world.now + timedelta(minutes=wait)), lambda: self._take(case))

    def _open(self, case: Case) -> state.Conversation | None:
        conversation = self.desk.conversations.get(case.conversation_id)
        return conversation if conversation is not None and conversation.status == "open" else None

    async def _take(self, case: Case) -> None:
        conversation = self._open(case)
        if conversation is None:
            case.outcome = "gone"
            return
        case.noted = case.noted or any(m.private for m in self.desk.of_conversation(conversation.id))
        case.taken_at = self.world.now
        before, conversation.assignee = conversation.assignee, case.agent
        changes = {"assignee_id": ((before or {}).get("id"), case.agent["id"])}
        await self.desk.changed("conversation_updated", conversation, changes, at_once=True)
        rng = self.world.rng("sales", case.conversation_id, "hello")
        first = case.agent["name"].split()[0]
        lead = self.desk.contacts[conversation.contact_id].name.split()[0]
        values = {"name": lead, "agent": first, "article": "a" if first.endswith("a") else "o"}
        texts = [rng.choice(lines.SALES_HELLO).format(**values), *rng.sample(lines.SALES_MORE, k=rng.randint(0, 2))]
        self._write(case, texts, rng)
        self.world.at(self.world.now + timedelta(hours=rng.uniform(4, 8)), lambda: self._finish(case))

    def _write(self, case: Case, texts: list[str], rng: random.Random) -> None:
        at = self.world.now
        for text in texts:

            async def speak(text: str = text) -> None:
                conversation = self._open(case)
                if conversation is not None:
                    await self.desk.add_message(conversation, text, "outgoing", case.agent, at_once=True)

            self.world.at(at, speak)
            at += timedelta(seconds=rng.uniform(20, 90))

    async def _answer(self, case: Case) -> None:
        case.answering = False
        if self._open(case) is None or case.outcome is not None:
            return
        case.replies += 1
        rng = self.world.rng("sales", case.conversation_id, "reply", case.replies)
        self._write(case, [rng.choice(lines.SALES_REPLY)], rng)
        if case.replies >= MAX_REPLIES:
            self.world.at(self.world.now + timedelta(minutes=rng.uniform(10, 40)), lambda: self._finish(case))

    async def _finish(self, case: Case) -> None:
        conversation = self._open(case)
        if case.outcome is not None or conversation is None:
            return
        rng = self.world.rng("sales", case.conversation_id, "finish")
        choice = rng.random()
        if choice < 0.25:
            case.outcome = "given_back"
            await self.desk.add_message(conversation, "/bot on", "outgoing", case.agent, at_once=True, private=True)
        elif choice < 0.8:
            case.outcome = "resolved"
            await self.desk.set_status(conversation, "resolved", at_once=True)
            if rng.random() < 0.5:
                self.world.at(office(self.world.now + timedelta(days=rng.uniform(1, 6))), lambda: self._win(case))
        else:
            case.outcome = "left_open"

    async def _win(self, case: Case) -> None:
        """The deal is won in the CRM, if the product has opened one for a person with this phone."""
        conversation = self.desk.conversations.get(case.conversation_id)
        if conversation is None:
            return
        phone = canonical(self.desk.contacts[conversation.contact_id].phone_number or "")
        crm = piperun.of(self.world)
        for person in crm.rows["persons"].values():
            if phone and any(canonical(str(row["phone"])) == phone for row in person["contact_phones"]):
                for deal in crm.rows["deals"].values():
                    if deal["person_id"] == person["id"] and deal["status"] == 0:
                        crm.win(
                            deal["id"], float(self.world.rng("sales", case.conversation_id, "value").randrange(4000, 90000, 50))
                        )

    def book(self) -> list[dict[str, Any]]:
        """Each case: who took it, when, how it ended."""
        return [
            {
                "conversation_id": c.conversation_id,
                "agent": c.agent["name"],
                "handoff_note": c.noted,
                "replies": c.replies,
                "taken_at": c.taken_at.isoformat() if c.taken_at else None,
                "outcome": c.outcome,
            }
            for c in self.cases.values()
        ]


def office(when: datetime) -> datetime:
    """The moment itself in office hours (Monday to Friday, 8-18 in São Paulo), else the next opening."""
    local = when.astimezone(LOCAL)
    if local.weekday() < 5 and OFFICE[0] <= local.hour < OFFICE[1]:
        return when
    opening = local.replace(hour=OFFICE[0], minute=0, second=0, microsecond=0)
    if local.hour >= OFFICE[0]:
        opening += timedelta(days=1)
    while opening.weekday() >= 5:
        opening += timedelta(days=1)
    return (opening + (when - when.replace(minute=0, second=0, microsecond=0)) / 2).astimezone(when.tzinfo)
