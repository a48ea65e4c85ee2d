"""Many identities, one lead; also when everything arrives at once."""

import asyncio
from datetime import timedelta

from knowledge.domain.clock import SettableClock
from knowledge.domain.lead import Identity, LeadProfile, Qualification
from runtime.db.uow import Database

PHONE = Identity(kind="phone_e164", value="+5511999990000")
LID = Identity(kind="lid", value="123@lid")
DESK = Identity(kind="chatwoot_contact", value="77")


async def resolve(database: Database, clock: SettableClock, *identities: Identity, name: str | None = None) -> str:
    async with database.transaction() as tx:
        return (await tx.leads.resolve(identities, at=clock.now(), name=name)).id


async def count(database: Database, table: str) -> int:
    async with database.transaction() as tx:
        row = await tx.leads.one(f"select count(*) as n from {table}")
    assert row is not None
    return row["n"]


async def test_one_lead_from_twenty_concurrent_deliveries(database: Database, clock: SettableClock) -> None:
    found = await asyncio.gather(*(resolve(database, clock, PHONE, LID) for _ in range(20)))
    assert len(set(found)) == 1
    assert await count(database, "leads") == 1
    assert await count(database, "contact_identities") == 2


async def test_overlapping_identities_in_any_order_end_as_one_lead(database: Database, clock: SettableClock) -> None:
    pairs = [(PHONE, LID), (LID, DESK), (DESK, PHONE), (DESK,), (LID,), (PHONE,)]
    await asyncio.gather(*(resolve(database, clock, *pair) for pair in pairs * 3))
    last = {await resolve(database, clock, one) for one in (PHONE, LID, DESK)}
    assert len(last) == 1
    async with database.transaction() as tx:
        assert [lead.id for lead in await tx.leads.list()] == list(last)


async def test_a_name_fills_a_gap_and_overwrites_nothing(database: Database, clock: SettableClock) -> None:
    first = await resolve(database, clock, PHONE)
    await resolve(database, clock, PHONE, name="Ana")
    await resolve(database, clock, PHONE, name="ana 🌻")
    async with database.transaction() as tx:
        lead = await tx.leads.get(first)
    assert lead is not None
    assert (lead.profile.name, lead.profile.phone) == ("Ana", PHONE.value)


async def test_two_leads_that_prove_to_be_one_are_merged_into_the_elder(database: Database, clock: SettableClock) -> None:
    elder = await resolve(database, clock, PHONE)
    clock.advance(timedelta(hours=1))
    younger = await resolve(database, clock, LID)
    async with database.transaction() as tx:
        await tx.leads.save_profile(elder, LeadProfile(name="Ana", phone=PHONE.value), at=clock.now())
        await tx.leads.save_profile(younger, LeadProfile(name="A.", city="Bauru", state="SP"), at=clock.now())
        await tx.leads.qualify(
            younger, Qualification(temperature="hot", fit=20, volume=20, urgency=20, intent=20), summary="s", at=clock.now()
        )
        await tx.leads.opt_out(younger, at=clock.now())
        kept = await tx.conversations.ensure(elder, "whatsapp", at=clock.now())
        gone = await tx.conversations.ensure(younger, "whatsapp", at=clock.now())
        only = await tx.conversations.ensure(younger, "site", at=clock.now())
        for conversation, external in ((kept, "m1"), (gone, "m1"), (gone, "m2")):
            await tx.messages.append(
                conversation.id,
                direction="in",
                author="lead",
                body=external,
                at=clock.now(),
                status="received",
                external_id=external,
            )
        assert await tx.conversations.set_owner(gone.id, "human", reason="typed", at=clock.now()) == 1
        await tx.conversations.link_desk(gone.id, contact="5", conversation="55")
        await tx.crm_links.put("piperun", "person", younger, "p9", at=clock.now())

    assert await resolve(database, clock, PHONE, LID) == elder

    async with database.transaction() as tx:
        lead = await tx.leads.get(younger)
        assert lead is not None and lead.id == elder
        assert (lead.profile.name, lead.profile.city) == ("Ana", "Bauru")
        assert lead.qualification is not None and lead.qualification.score == 80
        assert lead.opted_out_at is not None
        talk = await tx.conversations.get(gone.id)
        assert talk is not None and talk.id == kept.id
        assert (talk.owner, talk.epoch, talk.desk_conversation_id) == ("human", 2, "55")
        assert [(m.seq, m.external_id) for m in await tx.messages.list(kept.id)] == [(1, "m1"), (2, "m2")]
        assert {c.id for c in await tx.conversations.of_lead(elder)} == {kept.id, only.id}
        assert (await tx.conversations.by_desk("55")) == talk
        assert await tx.crm_links.get("piperun", "person", elder) == "p9"
        left = await tx.leads.one("select name, city, phone, summary from leads where id = :id", id=younger)
        assert left is not None and set(left.values()) == {None}
        following = await tx.messages.append(
            kept.id, direction="in", author="lead", body="x", at=clock.now(), status="received", external_id="m3"
        )
        assert following is not None and following.seq == 3


async def test_an_id_that_is_none_of_ours_names_nobody(database: Database) -> None:
    async with database.transaction() as tx:
        assert await tx.leads.get("5511999990000") is None
        assert await tx.conversations.get("'; drop table leads") is None
