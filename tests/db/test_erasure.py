"""A person asks for everything about them, then asks to be forgotten (LGPD)."""

import json
from typing import Any

import pytest

from knowledge.domain.action import SendMessage, UpsertPerson, parse_action
from knowledge.domain.clock import SettableClock
from knowledge.domain.conversation import InboundEvent
from knowledge.domain.lead import Identity, LeadProfile
from knowledge.domain.money import Money
from runtime.db.analytics import OrderRecord
from runtime.db.erasure import OpenActions
from runtime.db.repository import as_json, new_id
from runtime.db.uow import Database, Transaction

ANA = Identity(kind="phone_e164", value="+5511977776666")
BIA = Identity(kind="phone_e164", value="+5511955554444")
TRACES = ("Ana Lima", "5511977776666", "ana@example.com", "preciso de bombas")


async def act(
    tx: Transaction, clock: SettableClock, action: SendMessage | UpsertPerson, status: str, conversation: str | None
) -> str:
    action_id = new_id()
    await tx.leads.run(
        """insert into actions (id, kind, conversation_id, lead_id, args, fingerprint, idempotency_key, proposer_kind, proposer_id,
             status, result, created_at) values (:id, :kind, :conversation, :lead, :args, 'f', :key, 'agent', 'sdr', :status,
             :result, :at)""",
        id=action_id, key=action_id, kind=action.kind, conversation=conversation, lead=action.lead_id, args=as_json(action.args()),
        status=status, result=as_json({"echo": "Ana Lima"}), at=clock.now(),
    )  # fmt: skip
    return action_id


async def known(database: Database, clock: SettableClock, who: Identity, name: str) -> tuple[str, str]:
    """A lead with a conversation, a webhook, an order, a CRM id and two finished actions."""
    async with database.transaction() as tx:
        lead = await tx.leads.resolve([who], at=clock.now(), name=name)
        await tx.leads.save_profile(
            lead.id, LeadProfile(name=name, phone=who.value, email="ana@example.com", need="preciso de bombas"), at=clock.now()
        )
        talk = await tx.conversations.ensure(lead.id, "whatsapp", at=clock.now())
        hook = await tx.webhooks.store("zapi", lead.id, f"{name} preciso de bombas".encode(), {}, at=clock.now())
        event = InboundEvent(source="zapi", kind="message", dedupe=lead.id, identities=(who,), text="preciso de bombas")
        await tx.inbound_events.add(event, at=clock.now(), webhook_event_id=hook, conversation_id=talk.id)
        await tx.messages.append(
            talk.id,
            direction="in",
            author="lead",
            body="preciso de bombas",
            at=clock.now(),
            status="received",
            webhook_event_id=hook,
        )
        await tx.quotes.request(lead.id, "preciso de bombas", at=clock.now())
        await tx.crm_links.put("piperun", "person", lead.id, "9", at=clock.now())
        order = OrderRecord(
            f"o{lead.id}",
            "shopify",
            lead.id,
            Money(minor=100, currency="BRL"),
            "paid",
            clock.now(),
            lead_id=lead.id,
            raw={"n": name},
        )
        await tx.orders.upsert(order, at=clock.now())
        await act(tx, clock, SendMessage(conversation_id=talk.id, lead_id=lead.id, text=f"Oi {name}", epoch=0), "done", talk.id)
        await act(tx, clock, UpsertPerson(lead_id=lead.id, name=name, email="ana@example.com", phone=who.value), "done", None)
        return lead.id, talk.id


async def everything(database: Database) -> str:
    """Every row of every table, as text."""
    found: list[Any] = []
    async with database.transaction() as tx:
        tables = await tx.leads.all("select tablename from pg_tables where schemaname = 'public'")
        for table in (row["tablename"] for row in tables):
            rows = await tx.leads.all(f"select * from {table} t")
            found += [{k: v.decode() if isinstance(v, bytes) else v for k, v in row.items()} for row in rows]
    return json.dumps(found, default=str, ensure_ascii=False)


async def test_the_export_holds_what_is_known_of_this_person_and_of_nobody_else(database: Database, clock: SettableClock) -> None:
    ana, _ = await known(database, clock, ANA, "Ana Lima")
    await known(database, clock, BIA, "Bia Reis")
    async with database.transaction() as tx:
        export = await tx.erasures.export(ana)
    text = json.dumps(export, default=str, ensure_ascii=False)
    assert all(trace in text for trace in TRACES)
    assert "Bia" not in text
    assert {name: len(rows) for name, rows in export.items() if rows} == {
        "leads": 1, "contact_identities": 1, "conversations": 1, "orcamentos": 1, "crm_links": 1, "orders": 1, "messages": 1,
    }  # fmt: skip


async def test_after_the_erasure_no_table_holds_a_trace_of_the_person(database: Database, clock: SettableClock) -> None:
    ana, talk = await known(database, clock, ANA, "Ana Lima")
    before = await everything(database)
    assert all(trace in before for trace in TRACES)
    async with database.transaction() as tx:
        receipt = await tx.erasures.erase(ana, requested_by="user:m", at=clock.now())
    after = await everything(database)
    assert [after[max(0, after.find(trace) - 300) : after.find(trace) + 40] for trace in TRACES if trace in after] == []
    assert "Ana" not in after
    ours = receipt.receipt["ours"]
    assert (ours["leads"], ours["messages"], ours["actions"], ours["webhook_events"], ours["orders"]) == (1, 1, 2, 1, 1)
    async with database.transaction() as tx:
        lead = await tx.leads.get(ana)
        assert lead is not None and lead.erased_at == clock.now() and lead.profile.name is None
        assert await tx.conversations.get(talk) is None
        rows = await tx.leads.all("select args from actions order by kind")
        assert [parse_action(row["args"]).kind for row in rows] == ["crm.person", "message.send"]
        assert await tx.erasures.finish(receipt.id, {"piperun": "deleted"}, at=clock.now())
        closed = await tx.erasures.get(receipt.id)
        assert closed is not None and closed.receipt["piperun"] == "deleted" and closed.finished_at == clock.now()
        again = await tx.erasures.erase(ana, requested_by="user:m", at=clock.now())
        assert set(again.receipt["ours"].values()) == {0}


async def test_the_other_leads_keep_everything(database: Database, clock: SettableClock) -> None:
    ana, _ = await known(database, clock, ANA, "Ana Lima")
    bia, _ = await known(database, clock, BIA, "Bia Reis")
    async with database.transaction() as tx:
        before = await tx.erasures.export(bia)
        await tx.erasures.erase(ana, requested_by="user:m", at=clock.now())
        assert await tx.erasures.export(bia) == before
        assert len(await tx.webhooks.waiting()) == 1
        rows = await tx.leads.all("select args ->> 'name' as name from actions where lead_id = :id and kind = 'crm.person'", id=bia)
        assert [row["name"] for row in rows] == ["Bia Reis"]


async def test_a_person_to_whom_something_is_still_to_be_sent_is_not_erased_under_it(
    database: Database, clock: SettableClock
) -> None:
    ana, talk = await known(database, clock, ANA, "Ana Lima")
    async with database.transaction() as tx:
        await act(tx, clock, SendMessage(conversation_id=talk, lead_id=ana, text="espere", epoch=0), "authorised", talk)
    with pytest.raises(OpenActions, match="1 actions are still open"):
        async with database.transaction() as tx:
            await tx.erasures.erase(ana, requested_by="user:m", at=clock.now())
    with pytest.raises(LookupError):
        async with database.transaction() as tx:
            await tx.erasures.erase("nobody", requested_by="user:m", at=clock.now())
