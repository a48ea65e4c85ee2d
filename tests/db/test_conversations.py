"""Order, ownership and wake-ups of conversations; webhooks taken once."""

import asyncio
from datetime import timedelta

import pytest

from knowledge.domain.clock import SettableClock
from knowledge.domain.conversation import InboundEvent
from knowledge.domain.lead import Identity
from runtime.db.conversations import ConversationRecord
from runtime.db.messages import MessageRecord
from runtime.db.uow import Database


@pytest.fixture
async def talk(database: Database, clock: SettableClock) -> ConversationRecord:
    async with database.transaction() as tx:
        lead = await tx.leads.resolve([Identity(kind="phone_e164", value="+551133334444")], at=clock.now())
        return await tx.conversations.ensure(lead.id, "whatsapp", at=clock.now())


async def say(database: Database, clock: SettableClock, talk: ConversationRecord, external: str) -> MessageRecord | None:
    async with database.transaction() as tx:
        return await tx.messages.append(
            talk.id, direction="in", author="lead", body=f"text {external}", at=clock.now(), status="received", external_id=external
        )


async def test_concurrent_messages_get_numbers_without_gaps_and_a_repeat_gets_none(
    database: Database, clock: SettableClock, talk: ConversationRecord
) -> None:
    stored = await asyncio.gather(*(say(database, clock, talk, str(n % 10)) for n in range(20)))
    assert sum(one is None for one in stored) == 10
    async with database.transaction() as tx:
        lines = await tx.messages.unhandled(talk.id)
        assert [line.seq for line in lines] == list(range(1, 11))
        assert await tx.messages.mark_handled(talk.id, up_to_seq=4, at=clock.now()) == 4
        assert [line.seq for line in await tx.messages.unhandled(talk.id)] == list(range(5, 11))


async def test_only_one_of_two_takeovers_from_the_same_epoch_succeeds(
    database: Database, clock: SettableClock, talk: ConversationRecord
) -> None:
    async def take(reason: str) -> int | None:
        async with database.transaction() as tx:
            return await tx.conversations.set_owner(talk.id, "human", reason=reason, at=clock.now(), expected_epoch=0)

    assert sorted([epoch is None for epoch in await asyncio.gather(take("a"), take("b"))]) == [False, True]
    async with database.transaction() as tx:
        now = await tx.conversations.get(talk.id)
        assert now is not None and (now.owner, now.epoch, now.handed_off_at) == ("human", 1, clock.now())
        assert await tx.conversations.set_owner(talk.id, "bot", reason="/bot on", at=clock.now()) == 2


async def test_a_takeover_takes_the_wake_up_off_and_a_human_conversation_takes_none(
    database: Database, clock: SettableClock, talk: ConversationRecord
) -> None:
    async with database.transaction() as tx:
        assert await tx.conversations.set_wake(talk.id, clock.now()) == 1
        assert [c.id for c in await tx.conversations.due(clock.now())] == [talk.id]
        await tx.conversations.set_owner(talk.id, "human", reason="typed", at=clock.now())
        assert await tx.conversations.due(clock.now()) == []
        assert await tx.conversations.set_wake(talk.id, clock.now()) is None


async def test_a_later_message_moves_the_wake_up_and_the_older_job_finds_itself_outdated(
    database: Database, clock: SettableClock, talk: ConversationRecord
) -> None:
    async with database.transaction() as tx:
        first = await tx.conversations.set_wake(talk.id, clock.now() + timedelta(seconds=3))
        second = await tx.conversations.set_wake(talk.id, clock.now() + timedelta(seconds=5))
        assert (first, second) == (1, 2)
        assert await tx.conversations.due(clock.now() + timedelta(seconds=4)) == []
        assert not await tx.conversations.clear_wake(talk.id, 1)
        assert len(await tx.conversations.due(clock.now() + timedelta(seconds=5))) == 1
        assert await tx.conversations.clear_wake(talk.id, 2)
        assert await tx.conversations.due(clock.now() + timedelta(days=1)) == []


async def test_a_status_never_goes_back_from_read_to_delivered(
    database: Database, clock: SettableClock, talk: ConversationRecord
) -> None:
    async with database.transaction() as tx:
        sent = await tx.messages.append(
            talk.id, direction="out", author="bot", body="oi", at=clock.now(), status="sent", external_id="w1"
        )
        assert sent is not None
        assert await tx.messages.delivered("w1", "read") == 1
        assert await tx.messages.delivered("w1", "delivered") == 0
        line = await tx.messages.by_external("w1")
        assert line is not None and line.status == "read"
        assert await tx.messages.delivered("w1", "failed") == 1


async def test_a_delivery_and_its_events_are_taken_once_and_given_back_by_a_rollback(
    database: Database, clock: SettableClock
) -> None:
    event = InboundEvent(source="zapi", kind="message", dedupe="zapi:1", text="olá \x00 mundo")

    async def deliver() -> bool:
        async with database.transaction() as tx:
            return await tx.webhooks.store("zapi", "hash1", b'{"a": 1}\x00', {"content-type": "json"}, at=clock.now()) is not None

    assert sum(await asyncio.gather(*(deliver() for _ in range(10)))) == 1
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            assert await tx.inbound_events.add(event, at=clock.now())
            raise ZeroDivisionError
    async with database.transaction() as tx:
        (waiting,) = await tx.webhooks.waiting()
        assert waiting.raw == b'{"a": 1}\x00'
        assert await tx.inbound_events.add(event, at=clock.now(), webhook_event_id=waiting.id)
        assert not await tx.inbound_events.add(event, at=clock.now(), webhook_event_id=waiting.id)
        await tx.webhooks.processed(waiting.id, at=clock.now())
        assert await tx.webhooks.waiting() == []


async def test_a_dead_letter_waits_apart_until_somebody_revives_it(database: Database, clock: SettableClock) -> None:
    async with database.transaction() as tx:
        event_id = await tx.webhooks.store("chatwoot", "h", b"not json", {}, at=clock.now())
        assert event_id is not None
        await tx.webhooks.dead(event_id, "body: not JSON", at=clock.now())
        assert await tx.webhooks.waiting() == []
        (dead,) = await tx.webhooks.dead_letters()
        assert (dead.id, dead.error, dead.attempts) == (event_id, "body: not JSON", 1)
        assert await tx.webhooks.revive(event_id)
        assert not await tx.webhooks.revive(event_id)
        assert [one.id for one in await tx.webhooks.waiting()] == [event_id]
