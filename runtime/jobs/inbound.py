"""One stored webhook becomes filed events; what each one asks for leaves through the gate.

Filing is one transaction and happens once per event for ever. What follows it (mirror, relay, commands) is derived from what is
filed and carries keys, so that a process that dies in between loses nothing and repeats nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from knowledge.domain import brazil
from knowledge.domain.action import Actor, MirrorToDesk, PostDeskNote, SendMessage, SetDeskStatus
from knowledge.domain.books import Proposal
from knowledge.domain.conversation import InboundEvent, Owner
from knowledge.domain.message import Message

if TYPE_CHECKING:
    from runtime.db.conversations import ConversationRecord
    from runtime.db.messages import MessageRecord
    from runtime.db.uow import Transaction
    from runtime.wiring import House
    from tools.gate import Receipt

Submit = Callable[[Any, str], Awaitable[None]]

log = logging.getLogger("ceo.inbound")

MIRROR_ROUNDS = 200
"""Ten seconds of waiting for a line that another job carries; what is left then goes with the next message."""

CHANNEL = {"zapi": "whatsapp", "whatsapp_cloud": "whatsapp"}


async def inbound(house: House, webhook_event_id: str) -> None:
    """Processes one stored webhook. A payload that is not the vendor's goes to the dead letters with its reason."""
    async with house.db.transaction() as tx:
        stored = await tx.webhooks.get(webhook_event_id)
    if stored is None:
        raise LookupError(f"webhook {webhook_event_id} is not stored")
    try:
        events = house.sources[stored.source].parse(stored.raw)
    except ValueError as error:
        async with house.db.transaction() as tx:
            await tx.webhooks.dead(webhook_event_id, str(error)[:500], at=house.clock.now())
        log.warning("webhook.dead", extra={"source": stored.source, "webhook": webhook_event_id})
        return
    for event in events:
        await take(house, event, webhook_event_id)
    async with house.db.transaction() as tx:
        await tx.webhooks.processed(webhook_event_id, at=house.clock.now())


async def take(house: House, event: InboundEvent, webhook_event_id: str | None = None) -> None:
    """Files one event (once) and does what follows from it."""
    if event.kind == "ignored":
        return
    if event.kind == "echo":
        await _echo(house, event)
        return
    async with house.db.transaction() as tx:
        conversation_id = await _file(house, tx, event, webhook_event_id)
    if conversation_id is not None:
        await _follow(house, event, conversation_id)


async def _file(house: House, tx: Transaction, event: InboundEvent, webhook_event_id: str | None) -> str | None:
    now = house.clock.now()
    if event.kind == "status":
        fresh = await tx.inbound_events.add(event, webhook_event_id=webhook_event_id, at=now)
        if fresh and event.external_id and event.data.get("status"):
            await tx.messages.delivered(event.external_id, str(event.data["status"]))
        return None
    if event.kind == "system":
        if await tx.inbound_events.add(event, webhook_event_id=webhook_event_id, at=now):
            await tx.live_events.add(f"{event.source}.system", dict(event.data), at=now)
        return None
    conversation = await _conversation(tx, event, house)
    if conversation is None:
        return None
    if not await tx.inbound_events.add(event, webhook_event_id=webhook_event_id, conversation_id=conversation.id, at=now):
        return conversation.id
    match event.kind:
        case "message":
            await _lead_wrote(house, tx, event, conversation, webhook_event_id)
        case "human_message":
            spoken = await tx.messages.append(
                conversation.id,
                direction="out",
                author="human",
                body=event.text,
                at=now,
                status="received" if event.source == "chatwoot" else "sent",
                external_id=None if event.source == "chatwoot" else event.external_id,
                desk_message_id=event.external_id if event.source == "chatwoot" else None,
                media=event.media,
                sent_at=event.sent_at,
                webhook_event_id=webhook_event_id,
            )
            if spoken is not None:  # a person has answered what stands before it; the bot will not, when it is called back
                await tx.messages.mark_handled(conversation.id, up_to_seq=spoken.seq, at=now)
            await _own(house, tx, conversation, "human", f"{event.source}:human_message", event)
        case "owner":
            await _own(house, tx, conversation, event.data["owner"], f"{event.source}:owner")
        case "command":
            if event.data.get("command") == "bot" and event.data.get("args", [""])[:1] == ["off"]:
                await _own(house, tx, conversation, "human", "command:/bot off", event)
            elif event.data.get("command") == "bot" and event.data.get("args", [""])[:1] == ["on"]:
                await _own(house, tx, conversation, "bot", "command:/bot on", event)
        case _:
            pass
    return conversation.id


async def _echo(house: House, event: InboundEvent) -> None:
    """The line repeats what we sent. News only where the answer to the send was lost: then this is the proof that it left."""
    if not event.text or event.external_id is None:
        return
    async with house.db.transaction() as tx:
        if await tx.messages.by_external(event.external_id) is not None:
            return
        leads = [lead for identity in event.identities if (lead := await tx.leads.find(identity)) is not None]
        talks = [talk for lead in leads[:1] for talk in await tx.conversations.of_lead(lead.id)]
    for talk in talks:
        if talk.channel == CHANNEL.get(event.source) and await house.gate.echoed(talk.id, event.text, event.external_id):
            await mirror(house, talk.id)


async def _conversation(tx: Transaction, event: InboundEvent, house: House) -> ConversationRecord | None:
    """The conversation that the event belongs to; made for a lead who writes for the first time."""
    now = house.clock.now()
    if event.source == "chatwoot":
        if event.channel_conversation is None:
            return None
        return await tx.conversations.by_desk(event.channel_conversation)
    if not event.identities:
        log.warning("event.without_identity", extra={"source": event.source, "dedupe": event.dedupe})
        return None
    origin = {"source": event.source} | ({"ad": event.data["ad"]} if event.data.get("ad") else {})
    lead = await tx.leads.resolve(event.identities, at=now, name=event.display_name, origin=origin)
    return await tx.conversations.ensure(lead.id, CHANNEL.get(event.source, event.source), at=now)


async def _lead_wrote(
    house: House, tx: Transaction, event: InboundEvent, conversation: ConversationRecord, webhook_event_id: str | None
) -> None:
    now = house.clock.now()
    earlier = await tx.messages.by_external(event.external_id) if event.external_id else None
    if earlier is not None and event.data.get("edit"):
        await tx.messages.edit(earlier.id, event.text or "")
        return
    message = await tx.messages.append(
        conversation.id,
        direction="in",
        author="lead",
        body=event.text,
        media=event.media,
        at=now,
        status="received",
        external_id=event.external_id,
        sent_at=event.sent_at,
        webhook_event_id=webhook_event_id,
    )
    if message is None:
        return
    await tx.live_events.add("message.in", {"conversation_id": conversation.id, "lead_id": conversation.lead_id}, at=now)
    if conversation.owner == "closed":
        await _own(house, tx, conversation, "bot", "lead:wrote_again")
    text = event.text or ""
    if conversation.owner == "human":
        # A person answers it, but what the lead asked for holds from now on, whoever has the conversation later.
        if brazil.opt_out(text) == "opt_out":
            await opted_out(tx, conversation.lead_id, text, now)
        return
    quiet = timedelta(seconds=house.settings.operator.conversation.debounce_seconds)
    longest = timedelta(seconds=house.settings.operator.conversation.debounce_max_seconds)
    waiting = await tx.messages.unhandled(conversation.id)
    first = min((m.created_at for m in waiting), default=now)
    urgent = brazil.opt_out(text) is not None or brazil.wants_human(text)
    await tx.conversations.set_wake(conversation.id, now if urgent else min(now + quiet, first + longest))


async def opted_out(tx: Transaction, lead_id: str, text: str, at: datetime) -> bool:
    """Keeps that a lead asked to hear nothing more from the house; False when that was known."""
    if not await tx.leads.opt_out(lead_id, at=at):
        return False
    await tx.consents.withdraw(lead_id, purpose="marketing", at=at, evidence={"text": text[:200]})
    await tx.suppressions.add(await tx.leads.identities(lead_id), scope="marketing", reason="opt_out", at=at)
    return True


async def _own(
    house: House, tx: Transaction, conversation: ConversationRecord, owner: Owner, reason: str, event: InboundEvent | None = None
) -> None:
    """Changes hands. What people wrote at the desk counts in the order of its numbers, in whatever order its webhooks come."""
    now = house.clock.now()
    number = event.external_id if event is not None and event.source == "chatwoot" else None
    if number is not None and number.isdigit():
        held = await tx.conversations.get(conversation.id, lock=True)
        if held is not None and int(held.state.get("owner_by", 0)) > int(number):
            return
        await tx.conversations.put_state(conversation.id, {"owner_by": int(number)})
    epoch = await tx.conversations.set_owner(conversation.id, owner, reason=reason, at=now)
    if epoch is None:
        return
    await tx.live_events.add(
        "conversation.owner", {"conversation_id": conversation.id, "owner": owner, "epoch": epoch, "reason": reason}, at=now
    )
    if owner == "bot" and await tx.messages.unhandled(conversation.id):
        await tx.conversations.set_wake(conversation.id, now)


async def _follow(house: House, event: InboundEvent, conversation_id: str) -> None:
    """What leaves the house because of the event. Every key names the event, so a second pass sends nothing."""
    why = Message(id="why.webhook", params={"source": event.source})
    actor = Actor(kind="webhook", id=event.source)

    async def submit(action: MirrorToDesk | PostDeskNote | SendMessage | SetDeskStatus, key: str) -> None:
        await house.gate.submit(Proposal(action=action, key=key, proposer=actor, why=why, correlation_id=event.dedupe[:120]))

    if event.kind == "message" or (event.kind == "human_message" and event.source != "chatwoot"):
        await mirror(house, conversation_id)
        if event.kind == "message" and brazil.opt_out(event.text or "") == "opt_out":
            async with house.db.transaction() as tx:
                talk = await tx.conversations.get(conversation_id)
            if talk is not None and talk.owner == "human":  # who has it should know what the word means here
                note = house.render(Message(id="desk.opted_out"), house.settings.operator.locale)
                await submit(PostDeskNote(conversation_id=conversation_id, text=note), f"opted-out:{event.source}:{event.dedupe}")
        if event.kind == "human_message":
            await submit(SetDeskStatus(conversation_id=conversation_id, status="open"), f"desk-open:{event.source}:{event.dedupe}")
    elif event.kind == "human_message" and event.text:
        async with house.db.transaction() as tx:
            conversation = await tx.conversations.get(conversation_id)
        if conversation is not None:
            relay = SendMessage(
                conversation_id=conversation_id,
                lead_id=conversation.lead_id,
                text=event.text,
                epoch=conversation.epoch,
                author="human",
                desk_message_id=event.external_id,
            )
            await submit(relay, f"relay:{event.source}:{event.external_id}")
    elif event.kind == "command":
        await _command(house, event, conversation_id, submit)


async def _command(house: House, event: InboundEvent, conversation_id: str, submit: Submit) -> None:
    from runtime.jobs import summary

    name, args = event.data.get("command"), list(event.data.get("args") or [])
    key = f"command:{event.source}:{event.external_id}"
    if name == "bot" and args[:1] == ["on"]:
        await submit(SetDeskStatus(conversation_id=conversation_id, status="pending"), f"{key}:status")
    elif name == "bot" and args[:1] == ["off"]:
        await submit(SetDeskStatus(conversation_id=conversation_id, status="open"), f"{key}:status")
    elif name == "resumo":
        text = await summary.of_conversation(house, conversation_id)
        await submit(PostDeskNote(conversation_id=conversation_id, text=text), f"{key}:note")
    else:
        known = house.render(Message(id="desk.unknown_command", params={"command": f"/{name}"}), house.settings.operator.locale)
        await submit(PostDeskNote(conversation_id=conversation_id, text=known), f"{key}:help")


async def mirror(house: House, conversation_id: str) -> None:
    """Copies every line that the desk has not got yet, in order. Stops at the first that fails: order matters more than speed.

    Several jobs of one conversation may be at it. Whoever meets a line in another's hands waits for it, since the other one may
    not have seen the lines after it.
    """
    for _ in range(MIRROR_ROUNDS):
        async with house.db.transaction() as tx:
            lines = await tx.messages.unmirrored(conversation_id)
        if not lines:
            return
        for line in lines:
            receipt = await _mirror_line(house, conversation_id, line)
            if receipt.status in ("authorised", "executing"):
                await asyncio.sleep(0.05)
                break
            if not receipt.done:
                log.warning("mirror.failed", extra={"conversation": conversation_id, "status": receipt.status})
                return
    log.warning("mirror.failed", extra={"conversation": conversation_id, "status": "busy"})


async def _mirror_line(house: House, conversation_id: str, line: MessageRecord) -> Receipt:
    text = line.body or house.render(
        Message(id="desk.media", params={"kind": (line.media or {}).get("kind", "media")}), house.settings.operator.locale
    )
    return await house.gate.submit(
        Proposal(
            action=MirrorToDesk(
                conversation_id=conversation_id,
                message_id=line.id,
                direction="incoming" if line.direction == "in" else "outgoing",
                text=text,
            ),
            key=f"mirror:{line.id}",
            proposer=Actor(kind="system", id="mirror"),
            why=Message(id="why.mirror"),
        )
    )
