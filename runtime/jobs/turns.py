"""One turn of a conversation: think (the SDR), speak (through the gate), follow up (desk, CRM, handoff).

The three are steps of one durable workflow. Between them the owner may change; the gate asks again at the last moment.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

from knowledge.domain import brazil
from knowledge.domain.action import Action as AnyAction
from knowledge.domain.action import (
    Actor,
    AddDealNote,
    OpenDeal,
    PostDeskNote,
    SendMessage,
    SetDeskStatus,
    UpsertCompany,
    UpsertPerson,
)
from knowledge.domain.books import Proposal
from knowledge.domain.lead import LeadProfile, Qualification
from knowledge.domain.message import Message
from runtime.jobs import summary
from runtime.jobs.inbound import mirror, opted_out

if TYPE_CHECKING:
    from agents.sdr import SdrReply, TurnInput
    from runtime.wiring import House
    from tools.gate import Receipt

log = logging.getLogger("ceo.turns")

SDR = Actor(kind="agent", id="sdr")


async def think(house: House, conversation_id: str, wake: int) -> dict[str, Any] | None:
    """Reads the mailbox and lets the SDR answer it. None when there is nothing to answer or a person has the conversation."""
    now = house.clock.now()
    async with house.db.transaction() as tx:
        conversation = await tx.conversations.get(conversation_id)
        if conversation is None or conversation.owner != "bot":
            return None
        batch = await tx.messages.unhandled(conversation.id)
        lead = await tx.leads.get(conversation.lead_id)
        if not batch or lead is None:
            return None
        # Not simply what came before: an earlier answer may have left after these lines had arrived.
        history = await tx.messages.turns(conversation.id, without={m.id for m in batch})
    texts = [_said(m.body, m.media) for m in sorted(batch, key=lambda m: (m.sent_at or m.created_at, m.seq))]
    thought: dict[str, Any] = {
        "conversation_id": conversation.id,
        "lead_id": lead.id,
        "epoch": conversation.epoch,
        "up_to": max(m.seq for m in batch),
        "key": f"turn:{conversation.id}:{min(m.seq for m in batch)}-{max(m.seq for m in batch)}",
        "closing": False,
        "handoff": None,
        "external_id": next((m.external_id for m in reversed(batch) if m.external_id), None),
    }
    if lead.opted_out_at is None and any(brazil.opt_out(text) == "opt_out" for text in texts):
        async with house.db.transaction() as tx:
            await opted_out(tx, lead.id, texts[-1], now)
        farewell = house.render(Message(id="lead.opted_out"), "pt-BR")
        return thought | {"text": farewell, "closing": True, "profile": lead.profile.model_dump(), "qualification": None}
    reply = await _ask(house, lead.id, lead.profile, tuple(texts), tuple(history))
    if reply.text is None:
        log.error("sdr.failed", extra={"conversation": conversation_id, "error": reply.error})
        return thought | {"text": None, "handoff": "cannot_help", "profile": lead.profile.model_dump(), "qualification": None}
    return thought | {
        "text": reply.text,
        "handoff": reply.handoff,
        "profile": reply.profile.model_dump(),
        "qualification": reply.qualification.model_dump(),
        "quote": reply.quote.model_dump() if reply.quote else None,
        "texts": texts,
        "model": reply.model,
    }


def _said(body: str | None, media: dict[str, Any] | None) -> str:
    from agents.sdr import AUDIO_MARK

    if body:
        return body
    return AUDIO_MARK if (media or {}).get("kind") == "audio" else f"[{(media or {}).get('kind', 'mensagem')}]"


async def _ask(house: House, lead_id: str, profile: LeadProfile, texts: tuple[str, ...], history: tuple[Any, ...]) -> SdrReply:
    from agents.sdr import qualify_turn

    return await qualify_turn(house.make_sdr(profile), _input(house, lead_id, profile, texts, history))


def _input(house: House, lead_id: str, profile: LeadProfile, texts: tuple[str, ...], history: tuple[Any, ...]) -> TurnInput:
    from agents.sdr import TurnInput

    conversation = house.settings.operator.conversation
    notice = None
    if conversation.notice_url:
        notice = house.render(Message(id="lead.notice", params={"url": conversation.notice_url}), "pt-BR")
    # Ids are drawn by chance; what the lead wrote is not: the same story told twice is answered in the same words.
    seed = hashlib.sha256("\n".join([*(t.text for t in history[:1]), *texts]).encode()).hexdigest()[:12]
    return TurnInput(
        lead_id=lead_id, company=conversation.company, profile=profile, texts=texts, history=history, notice=notice, seed=seed
    )


async def speak(house: House, conversation_id: str, thought: dict[str, Any]) -> dict[str, Any]:
    """Sends the answer. A text that the rules refuse goes back to the SDR once with the reasons, then to a person."""
    if thought["text"] is None:
        return {"sent": False, "refused": True}
    receipt = await _send(house, thought, thought["text"], thought["key"])
    if receipt.status == "refused" and any(f.rule in ("promises", "questions") for f in receipt.findings):
        second = await _rewrite(house, thought, receipt)
        if second is not None:
            receipt = await _send(house, thought, second, f"{thought['key']}:second")
    taken_over = receipt.status == "cancelled" or any(f.rule in ("takeover", "kill_switch") for f in receipt.findings)
    # Also when it could not be sent: a person is told below, and thinking again about the same words would help nobody.
    async with house.db.transaction() as tx:
        await tx.messages.mark_handled(thought["conversation_id"], up_to_seq=thought["up_to"], at=house.clock.now())
    refused = receipt.status in ("refused", "failed") and not taken_over
    return {"sent": receipt.done, "refused": refused, "taken_over": taken_over, "status": receipt.status}


async def _send(house: House, thought: dict[str, Any], text: str, key: str) -> Receipt:
    return await house.gate.submit(
        Proposal(
            action=SendMessage(
                conversation_id=thought["conversation_id"],
                lead_id=thought["lead_id"],
                text=text,
                epoch=thought["epoch"],
                closing=thought["closing"],
            ),
            key=key,
            proposer=SDR,
            why=Message(id="why.answer"),
            correlation_id=thought["key"],
        )
    )


async def _rewrite(house: House, thought: dict[str, Any], receipt: Receipt) -> str | None:
    from agents.sdr import rewrite

    async with house.db.transaction() as tx:
        history = await tx.messages.turns(thought["conversation_id"])
    profile = LeadProfile.model_validate(thought["profile"])
    before = tuple(t for t in history if t.text not in thought["texts"])
    turn = _input(house, thought["lead_id"], profile, tuple(thought["texts"]), before)
    reasons = [house.render(f.message, "pt-BR") for f in receipt.findings]
    reply = await rewrite(house.make_sdr(profile), turn, thought["text"], reasons)
    return reply.text


async def follow_up(house: House, conversation_id: str, thought: dict[str, Any], spoken: dict[str, Any]) -> None:
    """Stores what was learnt, keeps the desk in step, and hands the lead over when it is time."""
    now = house.clock.now()
    profile = LeadProfile.model_validate(thought["profile"])
    found = Qualification.model_validate(thought["qualification"]) if thought["qualification"] else None
    async with house.db.transaction() as tx:
        await tx.leads.save_profile(thought["lead_id"], profile, at=now, language="pt-BR")
        if found is not None:
            await tx.leads.qualify(thought["lead_id"], found, summary=None, at=now)
        quote = thought.get("quote")
        if quote is not None:
            await tx.quotes.request(
                thought["lead_id"],
                conversation_id=thought["conversation_id"],
                need=quote["items"],
                volume=quote.get("quantity"),
                urgency=profile.urgency,
                details=quote,
                key=thought["key"],
                at=now,
            )
    await mirror(house, thought["conversation_id"])
    if spoken.get("taken_over"):
        return
    handoff = thought["handoff"] or ("refused_twice" if spoken["refused"] else None)
    if handoff or (found is not None and found.temperature == "hot" and not profile.missing()):
        await hand_over(house, thought, handoff or "hot_lead")
    elif found is not None and found.temperature == "warm" and profile.name and (profile.company or profile.cnpj):
        await crm(house, thought["lead_id"])


async def hand_over(house: House, thought: dict[str, Any], reason: str) -> None:
    """Lead to a person: CRM first, then the summary at the desk, then the conversation changes hands and the bot is silent."""
    await crm(house, thought["lead_id"], note_key=thought["key"])
    conversation_id, key = thought["conversation_id"], thought["key"]
    async with house.db.transaction() as tx:
        lead = await tx.leads.get(thought["lead_id"])
    if lead is None:
        raise LookupError(f"lead {thought['lead_id']} is gone")
    locale = house.settings.operator.locale
    head = house.render(Message(id="desk.handoff", params={"reason": reason}), locale)
    await _do(house, PostDeskNote(conversation_id=conversation_id, text=f"{head}\n{summary.text_of(house, lead)}"), f"{key}:note")
    async with house.db.transaction() as tx:
        await tx.conversations.set_owner(
            conversation_id, "human", reason=f"handoff:{reason}", at=house.clock.now(), expected_epoch=thought["epoch"]
        )
        await tx.live_events.add(
            "conversation.handoff", {"conversation_id": conversation_id, "reason": reason}, at=house.clock.now()
        )
    await _do(house, SetDeskStatus(conversation_id=conversation_id, status="open"), f"{key}:open")


async def crm(house: House, lead_id: str, note_key: str | None = None) -> None:
    """Company, person, deal and (with `note_key`) the summary in the CRM. Keys name the lead, so each exists once."""
    async with house.db.transaction() as tx:
        lead = await tx.leads.get(lead_id)
    if lead is None or house.effects.ports.crm is None:
        return
    p = lead.profile
    name = p.name or p.company
    if name is None:
        return
    if p.company or p.cnpj:
        company = UpsertCompany(lead_id=lead.id, name=p.company or name, cnpj=p.cnpj, city=p.city, state=p.state)
        await _do(house, company, f"crm:company:{lead.id}:{p.cnpj or p.company}")
    phone = p.phone or await _phone(house, lead.id)
    await _do(house, UpsertPerson(lead_id=lead.id, name=name, phone=phone, email=p.email), f"crm:person:{lead.id}")
    title = house.render(
        Message(id="crm.deal_title", params={"company": p.company or name, "need": p.need or "-"}), house.settings.operator.locale
    )
    temperature = lead.qualification.temperature if lead.qualification else None
    await _do(house, OpenDeal(lead_id=lead.id, title=title, temperature=temperature), f"crm:deal:{lead.id}")
    if note_key is not None:
        note = AddDealNote(lead_id=lead.id, ref=f"{lead.id}:{note_key.rpartition(':')[2]}"[:128], text=summary.text_of(house, lead))
        await _do(house, note, f"crm:note:{note_key}")


async def _phone(house: House, lead_id: str) -> str | None:
    async with house.db.transaction() as tx:
        return next((i.value for i in await tx.leads.identities(lead_id) if i.kind == "phone_e164"), None)


async def _do(house: House, action: AnyAction, key: str) -> Receipt:
    receipt = await house.gate.submit(
        Proposal(action=action, key=key, proposer=SDR, why=Message(id="why.handoff"), correlation_id=key)
    )
    if not receipt.done:
        log.warning("follow_up.not_done", extra={"kind": action.kind, "status": receipt.status})
    return receipt
