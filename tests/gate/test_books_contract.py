"""One promise, two kinds of books: everything the gate asks of its books, asked of Postgres and of the books in memory."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any, get_args

import pytest

from knowledge.domain.action import (
    AddDealNote,
    MirrorToDesk,
    OpenDeal,
    PostDeskNote,
    SetDeskStatus,
    UpsertCompany,
    UpsertPerson,
)
from knowledge.domain.action import Platform as PlatformName
from knowledge.domain.books import FINAL, ActionRecord, Status, Vote
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.chain import Chain
from knowledge.domain.message import Message
from knowledge.domain.verdict import Verdict
from tests.conftest import START
from tests.gate.books_pair import Shelf, a_kill, look, put, record, status, ticket_for, waits
from tests.gate.house import ANA, BUYER, RUI, brl, budget, pause, policy_with, publication

# -- what is kept -------------------------------------------------------------------------------------------------------------


async def test_an_action_reads_back_as_it_was_written(shelf: Shelf) -> None:
    action = record(budget("130"), "k1", "waiting", proposer=ANA, correlation_id="c1")
    await put(shelf, action, ticket=True)
    for found in (await look(shelf, lambda tx: tx.action(action.id)), await look(shelf, lambda tx: tx.action_by_key("k1"))):
        assert found.model_dump(mode="json") == action.model_dump(mode="json")
    ticket = await look(shelf, lambda tx: tx.ticket(action.id))
    assert ticket.model_dump(mode="json") == ticket_for(action).model_dump(mode="json")


async def test_what_is_not_there_is_answered(shelf: Shelf) -> None:
    missing = "3f0e7c1e-0000-4000-8000-000000000000"
    for ident in (missing, "no id at all"):
        assert await look(shelf, lambda tx, ident=ident: tx.action(ident)) is None
        assert await look(shelf, lambda tx, ident=ident: tx.action(ident, lock=True)) is None
        assert await look(shelf, lambda tx, ident=ident: tx.ticket(ident)) is None
        assert await look(shelf, lambda tx, ident=ident: tx.undos(ident)) == []
        assert not await look(shelf, lambda tx, ident=ident: tx.lift_kill(ident, "user:x", START))
    assert await look(shelf, lambda tx: tx.action_by_key("k")) is None
    assert await look(shelf, lambda tx: tx.conversation_epoch(missing)) is None
    assert not await look(shelf, lambda tx: tx.change(missing, "authorised", "cancelled"))
    assert (await look(shelf, lambda tx: tx.refs(budget("1")))).external_id is None


async def test_a_taken_key_is_refused_and_writes_nothing(shelf: Shelf) -> None:
    first = await put(shelf, record(budget("130"), "k1"))
    again = record(budget("150"), "k1", "waiting").model_copy(update={"id": record(budget("1"), "other").id})
    async with shelf.books.transaction() as tx:
        assert not await tx.insert(again, ticket_for(again))
    assert (await look(shelf, lambda tx: tx.action_by_key("k1"))).action == first.action
    assert await look(shelf, lambda tx: tx.ticket(again.id)) is None


async def test_a_failure_leaves_nothing(shelf: Shelf) -> None:
    kept = await put(shelf, record(budget("110"), "kept"), reserve=True)
    gone = record(budget("120"), "gone", "waiting")
    before = await shelf.chain()
    with pytest.raises(ZeroDivisionError):
        async with shelf.books.transaction() as tx:
            await tx.insert(gone, ticket_for(gone))
            await tx.reserve(gone, START)
            await tx.claim(kept.id, "authorised", executor="w", attempts=1, at=START)
            await tx.settle(kept.id, kept=True, now=START)
            await tx.add_kill(a_kill("all", None))
            await tx.audit("x", "user:x", START, {})
            await tx.emit("x", START, {})
            raise ZeroDivisionError
    assert await look(shelf, lambda tx: tx.action(gone.id)) is None
    assert await look(shelf, lambda tx: tx.ticket(gone.id)) is None
    assert await shelf.held(gone.id) is None
    assert (await status(shelf, kept.id), await shelf.held(kept.id)) == ("authorised", "held")
    assert await look(shelf, lambda tx: tx.kills()) == ()
    assert await shelf.chain() == before
    assert await shelf.events() == []


async def test_a_change_is_made_from_the_expected_status_only(shelf: Shelf) -> None:
    action = await put(shelf, record(budget("130"), "k1"))
    error, verdict = Message(id="gate.unknown", params={"vendor": "meta"}), Verdict.of((), "policy-2")
    later = START + timedelta(minutes=1)
    async with shelf.books.transaction() as tx:
        assert not await tx.change(action.id, "waiting", "cancelled")
        assert not await tx.claim(action.id, "unknown", executor="w", attempts=1, at=later)
        assert await tx.claim(action.id, "authorised", executor="w", attempts=1, at=later)
        assert not await tx.claim(action.id, "authorised", executor="w", attempts=1, at=later)
        assert await tx.change(action.id, "executing", "unknown", error=error, verdict=verdict, facts=action.facts)
        assert await tx.change(action.id, "unknown", "done", result={"campaign": {"a": 1}}, closed_at=later)
        with pytest.raises(TypeError):
            await tx.change(action.id, "done", "done", fingerprint="x")
    found = await look(shelf, lambda tx: tx.action(action.id))
    assert (found.status, found.executor, found.attempts, found.result) == ("done", "w", 1, {"campaign": {"a": 1}})
    assert (found.error, found.verdict, found.closed_at) == (error, verdict, later)


@pytest.mark.parametrize("to", get_args(Status))
async def test_every_status_is_known_to_the_books(shelf: Shelf, to: Status) -> None:
    at = {"not_before": START} if to == "scheduled" else {}
    action = await put(shelf, record(pause(), "k1", "waiting"))
    assert await look(shelf, lambda tx: tx.change(action.id, "waiting", to, **at))
    assert await status(shelf, action.id) == to
    if to in FINAL:
        assert await look(shelf, lambda tx: tx.stranded("me", START + timedelta(days=1))) == []


# -- room ---------------------------------------------------------------------------------------------------------------------


async def test_room_is_held_once_and_ends_once(shelf: Shelf) -> None:
    action = await put(shelf, record(budget("130"), "k1"), reserve=True)
    await look(shelf, lambda tx: tx.reserve(action, START))
    assert await shelf.held(action.id) == "held"
    await look(shelf, lambda tx: tx.settle(action.id, kept=False, now=START))
    assert await shelf.held(action.id) == "released"
    await look(shelf, lambda tx: tx.settle(action.id, kept=True, now=START))
    assert await shelf.held(action.id) == "released"
    # Room that was given back is held again when the action is authorised after all.
    await look(shelf, lambda tx: tx.reserve(action, START))
    assert await shelf.held(action.id) == "held"
    await look(shelf, lambda tx: tx.settle(action.id, kept=True, now=START))
    await look(shelf, lambda tx: tx.reserve(action, START))
    assert await shelf.held(action.id) == "settled"
    stops = await put(shelf, record(pause(), "k2"), reserve=True)
    assert await shelf.held(stops.id) is None


async def test_room_is_counted_for_others_and_not_for_itself(shelf: Shelf) -> None:
    policy = policy_with()
    action = await put(shelf, record(publication("new", "40"), "k1"), reserve=True)

    async def held(excluding: str | None) -> list[str]:
        facts = await look(shelf, lambda tx: tx.ledger_facts(publication("b"), BUYER, None, (), policy, START, excluding=excluding))
        return [r.action_id for r in facts.budget.reservations]

    assert await held(None) == [action.id]
    assert await held(action.id) == []
    await look(shelf, lambda tx: tx.settle(action.id, kept=True, now=START))
    assert await held(None) == []


async def test_a_past_day_that_nobody_has_read_counts_at_its_worst(shelf: Shelf) -> None:
    """Measured while it lasted or not: until the day was read whole, its highest budget counts, overspend included."""
    monday, tuesday, policy = START.date(), START.date() + timedelta(days=1), policy_with()
    wednesday = START + timedelta(days=2)
    await shelf.campaign("ran", "meta", brl("40"), START - timedelta(days=9))
    await shelf.campaign("later", "meta", brl("30"), wednesday - timedelta(hours=1))
    await shelf.campaign("else", "tiktok", brl("20"), START - timedelta(days=9))
    await shelf.campaign("paused", "meta", brl("10"), START - timedelta(days=9))
    await shelf.spend("meta", "x-ran", monday, brl("50"))
    await shelf.spend("meta", "x-ran", tuesday, brl("5"))

    async def facts() -> Any:
        return await look(
            shelf, lambda tx: tx.ledger_facts(budget("41", "ran"), BUYER, None, (), policy, wednesday, excluding=None)
        )

    async def done(action: Any, key: str, at: Any, minor: str, delivery: str = "active") -> None:
        known = await look(shelf, lambda tx: tx.ledger_facts(action, BUYER, None, None, policy, at, excluding=None))
        made = await put(shelf, record(action, key, "executing", at, facts=known))
        seen_then = seen(f"x-{action.campaign_id}", minor, delivery).model_dump(mode="json")
        await look(shelf, lambda tx: tx.apply(made, {"campaign": seen_then}, at))
        await look(shelf, lambda tx: tx.change(made.id, "executing", "done", closed_at=at))

    def unread(found: Any) -> dict[tuple[str, int], str]:
        return {(d.campaign_id, d.day.day): str(d.assumed.amount) for d in found.budget.unread_days}

    await done(pause("paused"), "k1", START + timedelta(hours=3), "10", "paused")
    await done(budget("60", "ran"), "k2", START + timedelta(days=1), "60")
    await done(budget("40", "ran"), "k3", START + timedelta(days=1, hours=2), "40")
    found = await facts()
    assert unread(found) == {
        ("else", 23): "24.00",  # 20 x 1.2
        ("else", 24): "24.00",
        ("paused", 23): "17.50",  # it ran till Monday noon, and not on Tuesday
        ("ran", 23): "20.00",  # 40 x 1.75 - 50
        ("ran", 24): "100.00",  # 60 x 1.75 - 5
    }
    assert found.budget.spent_week_before_today == brl("55")  # the measured sum stays what was measured
    await shelf.day_read("meta", tuesday, wednesday)
    assert [key for key in unread(await facts()) if key[1] == 24] == [("else", 24)]
    for platform, day in (("meta", monday), ("tiktok", monday), ("tiktok", tuesday)):
        await shelf.day_read(platform, day, wednesday)
    assert (await facts()).budget.unread_days == ()


async def test_what_was_in_hand_on_an_unread_day_may_have_run_on_it(shelf: Shelf) -> None:
    """A start whose answer was lost, and a raise that was: both may have been in force since they were asked for."""
    policy, tuesday = policy_with(), START + timedelta(days=1)
    await shelf.campaign("c", "meta", brl("40"), START - timedelta(days=9))
    stopped = await put(shelf, record(pause("c"), "k0", "executing", START - timedelta(days=2)))
    gone = seen("x-c", "40", "paused").model_dump(mode="json")
    await look(shelf, lambda tx: tx.apply(stopped, {"campaign": gone}, START - timedelta(days=2)))
    await look(shelf, lambda tx: tx.change(stopped.id, "executing", "done", closed_at=START - timedelta(days=2)))

    async def assumed() -> list[str]:
        facts = await look(shelf, lambda tx: tx.ledger_facts(budget("41", "c"), BUYER, None, (), policy, tuesday, excluding=None))
        return [str(d.assumed.amount) for d in facts.budget.unread_days]

    assert await assumed() == []
    await put(shelf, record(budget("80", "c"), "k1", "unknown", START))
    assert await assumed() == ["140.00"]  # 80 x 1.75


@pytest.mark.parametrize(
    ("zone", "known"),
    [("America/Sao_Paulo", None), ("America/Argentina/Buenos_Aires", None), ("America/New_York", "America/New_York"), ("Mars/Base", "Mars/Base")],
)  # fmt: skip
async def test_an_account_whose_day_is_another_one_is_named(shelf: Shelf, zone: str, known: str | None) -> None:
    """Same days under another name are the same days; a zone that nobody knows is another one."""
    policy = policy_with()

    async def named(platform: PlatformName) -> str | None:
        action = publication("n").model_copy(update={"platform": platform})
        facts = await look(shelf, lambda tx: tx.ledger_facts(action, BUYER, None, (), policy, START, excluding=None))
        return facts.account_zone

    assert await named("meta") is None  # never read: a first start goes on
    await shelf.account("meta", zone)
    assert (await named("meta"), await named("tiktok")) == (known, None)


# -- kills, tickets, people ---------------------------------------------------------------------------------------------------


async def test_kill_switches(shelf: Shelf) -> None:
    all_of_it, meta = a_kill("all", None, 2), a_kill("platform", "meta", 1)
    assert await look(shelf, lambda tx: tx.add_kill(all_of_it))
    assert await look(shelf, lambda tx: tx.add_kill(meta))
    assert not await look(shelf, lambda tx: tx.add_kill(a_kill("platform", "meta", 3)))
    assert await look(shelf, lambda tx: tx.kills()) == (meta, all_of_it)
    assert await look(shelf, lambda tx: tx.lift_kill(meta.id, str(ANA), START))
    assert not await look(shelf, lambda tx: tx.lift_kill(meta.id, str(ANA), START))
    assert await look(shelf, lambda tx: tx.kills()) == (all_of_it,)
    assert await look(shelf, lambda tx: tx.add_kill(a_kill("platform", "meta", 4)))


async def test_the_same_kill_at_once_is_one(shelf: Shelf) -> None:
    async with shelf.books.transaction() as tx:
        assert await tx.add_kill(a_kill("all", None, 1))
        second = asyncio.create_task(look(shelf, lambda other: other.add_kill(a_kill("all", None, 2))))
        assert await waits(second)
    assert not await second
    assert [k.id for k in await look(shelf, lambda tx: tx.kills())] == [a_kill("all", None, 1).id]


async def test_a_ticket_changes_while_it_is_pending(shelf: Shelf) -> None:
    action = await put(shelf, record(budget("130"), "k1", "waiting"), ticket=True)
    ticket = ticket_for(action)
    votes = (Vote(by=str(ANA), role="manager", at=START), Vote(by=str(RUI), role="admin", at=START))
    voted = ticket.model_copy(update={"votes": votes, "expires_at": START + timedelta(hours=9), "exposure": brl("20"), "quorum": 3})
    assert await look(shelf, lambda tx: tx.save_ticket(voted))
    assert await look(shelf, lambda tx: tx.ticket(action.id)) == voted
    news = {"status": "approved", "decided_by": str(RUI), "decided_at": START, "reason": "sim"}
    assert await look(shelf, lambda tx: tx.save_ticket(voted.model_copy(update=news)))
    assert not await look(shelf, lambda tx: tx.save_ticket(voted))
    assert (await look(shelf, lambda tx: tx.ticket(action.id))).status == "approved"


async def test_what_is_due(shelf: Shelf) -> None:
    late = await put(shelf, record(budget("130"), "k1", "waiting"), ticket=True)
    early = record(budget("131"), "k2", "waiting")
    async with shelf.books.transaction() as tx:
        await tx.insert(early, ticket_for(early, hours=1))
    assert await look(shelf, lambda tx: tx.due_tickets(START + timedelta(hours=4) - timedelta(microseconds=1))) == [early.id]
    assert await look(shelf, lambda tx: tx.due_tickets(START + timedelta(hours=4))) == [early.id, late.id]
    for number, minutes in enumerate((20, 10)):
        grace = record(budget("132"), f"g{number}", "scheduled", not_before=START + timedelta(minutes=minutes))
        await put(shelf, record(grace.action, grace.key, "waiting"))
        await look(shelf, lambda tx, grace=grace: tx.change(grace.id, "waiting", "scheduled", not_before=grace.not_before))
    ids = [record(budget("132"), key).id for key in ("g1", "g0")]
    assert await look(shelf, lambda tx: tx.due_actions(START + timedelta(minutes=10))) == ids[:1]
    assert await look(shelf, lambda tx: tx.due_actions(START + timedelta(minutes=20))) == ids


async def test_a_ticket_may_come_later(shelf: Shelf) -> None:
    action = await put(shelf, record(budget("130"), "k1", "scheduled", not_before=START))
    async with shelf.books.transaction() as tx:
        await tx.change(action.id, "scheduled", "waiting")
        await tx.open_ticket(action, ticket_for(action))
    assert (await look(shelf, lambda tx: tx.ticket(action.id))).status == "pending"
    assert await look(shelf, lambda tx: tx.due_tickets(START + timedelta(days=1))) == [action.id]


async def test_undos_later_changes_and_batches(shelf: Shelf) -> None:
    def minute(number: int) -> dict[str, Any]:
        return {"closed_at": START + timedelta(minutes=number)}

    async def done(key: str, number: int, **more: Any) -> ActionRecord:
        action = await put(shelf, record(budget("130"), key, "executing", START + timedelta(minutes=number - 1), **more))
        assert await look(shelf, lambda tx: tx.change(action.id, "executing", "done", result={"a": 1}, **minute(number)))
        return await look(shelf, lambda tx: tx.action(action.id))

    first = await done("k1", 1, correlation_id="c1")
    assert await look(shelf, lambda tx: tx.later_change(first)) is None
    second = await done("k2", 3, correlation_id="c1")
    undo = await done("k3", 5, undo_of=first.id, correlation_id="c2")
    await put(shelf, record(publication("other", "40"), "k4", "done", START + timedelta(minutes=9)))
    waiting = await put(shelf, record(budget("140"), "k5", "waiting", START + timedelta(minutes=9)))
    assert (await look(shelf, lambda tx: tx.later_change(first))).id == undo.id
    assert [a.id for a in await look(shelf, lambda tx: tx.undos(first.id))] == [undo.id]
    assert await look(shelf, lambda tx: tx.undos(second.id)) == []
    assert [a.id for a in await look(shelf, lambda tx: tx.batch("c1"))] == [second.id, first.id]
    await look(shelf, lambda tx: tx.change(waiting.id, "waiting", "authorised"))
    await look(shelf, lambda tx: tx.claim(waiting.id, "authorised", executor="w", attempts=1, at=START + timedelta(minutes=9)))
    assert (await look(shelf, lambda tx: tx.later_change(first))).id in (waiting.id, undo.id)


# -- effects ------------------------------------------------------------------------------------------------------------------


def seen(external: str, amount: str, delivery: str = "active", platform: PlatformName = "meta") -> PlatformCampaign:
    return PlatformCampaign(
        platform=platform, external_id=external, name="n", delivery=delivery, daily_budget=brl(amount), read_at=START,  # type: ignore[arg-type]
    )  # fmt: skip


async def test_what_was_done_is_in_the_facts(shelf: Shelf) -> None:
    policy = policy_with()

    async def facts(read: tuple[PlatformCampaign, ...] | None) -> Any:
        found = await look(shelf, lambda tx: tx.ledger_facts(budget("50"), BUYER, None, read, policy, START, excluding=None))
        return found

    publish = await put(shelf, record(publication("pia-meta", "40"), "k1", "done"))
    result: dict[str, Any] = {"campaign": seen("x1", "40").model_dump(mode="json"), "objects": []}
    await look(shelf, lambda tx: tx.apply(publish, result, START))
    found = await facts((seen("x1", "40"),))
    assert (found.campaign.daily_budget, found.campaign.external_id, found.unreadable) == (brl("40"), "x1", ())
    raised = await put(shelf, record(budget("50"), "k2", "done", facts=found))
    await look(shelf, lambda tx: tx.apply(raised, {"campaign": seen("x1", "50").model_dump(mode="json")}, START))
    await look(shelf, lambda tx: tx.apply(raised, {"campaign": seen("x1", "50").model_dump(mode="json")}, START))
    found = await facts(None)
    assert (found.campaign.ledger_budget, found.campaign.baseline_budget, found.campaign.status) == (
        brl("50"),
        brl("40"),
        "scaling",
    )
    stopped = await put(shelf, record(pause(), "k3", "done"))
    await look(shelf, lambda tx: tx.apply(stopped, {"campaign": seen("x1", "50", "paused").model_dump(mode="json")}, START))
    found = await facts(None)
    assert (found.campaign.status, found.campaign.delivery, found.budget.exposures[0].delivering) == ("paused", "paused", False)
    assert (await look(shelf, lambda tx: tx.refs(pause()))).external_id == "x1"


@pytest.mark.parametrize(
    ("decided", "found", "to", "day_ago"),
    [
        (50, 2, "20", "20"),  # cut two days ago, its answer lost, found just now: it may have been in force since
        (50, 2, "80", "40"),  # the same of a raise: it may not have been
        (50, 49, "20", "20"),
        (2, 1, "20", "40"),
        (24, 1, "20", "20"),
        (23, 1, "20", "40"),
    ],
)
async def test_of_a_change_whose_answer_was_lost_the_lower_budget_counts(
    shelf: Shelf, decided: int, found: int, to: str, day_ago: str
) -> None:
    """Else a cut that was found late would let a day's raises begin at the old budget. Hours are before the judgement."""
    now = START + timedelta(days=10)
    publish = await put(shelf, record(publication("pia-meta", "40"), "k1", "done"))
    made: dict[str, Any] = {"campaign": seen("x1", "40").model_dump(mode="json"), "objects": []}
    await look(shelf, lambda tx: tx.apply(publish, made, START))
    before = await look(
        shelf, lambda tx: tx.ledger_facts(budget(to), BUYER, None, (seen("x1", "40"),), policy_with(), START, excluding=None)
    )
    change = await put(shelf, record(budget(to), "k2", "done", at=now - timedelta(hours=decided), facts=before))
    await look(
        shelf, lambda tx: tx.apply(change, {"campaign": seen("x1", to).model_dump(mode="json")}, now - timedelta(hours=found))
    )
    facts = await look(
        shelf, lambda tx: tx.ledger_facts(budget("50"), BUYER, None, (seen("x1", to),), policy_with(), now, excluding=None)
    )
    assert (facts.campaign.baseline_budget, facts.campaign.ledger_budget) == (brl(day_ago), brl(to))
    week = policy_with(cumulative_days=1)
    found_facts = await look(
        shelf, lambda tx: tx.ledger_facts(budget("50"), BUYER, None, (seen("x1", to),), week, now, excluding=None)
    )
    assert found_facts.campaign.window_budget == brl(day_ago)


async def test_texts_and_their_conversation(shelf: Shelf) -> None:
    send = await shelf.talk()
    assert await look(shelf, lambda tx: tx.conversation_epoch(send.conversation_id)) == ("bot", 0)
    found = await look(shelf, lambda tx: tx.ledger_facts(send, BUYER, None, None, policy_with(), START, excluding=None))
    assert (found.conversation.owner, found.conversation.epoch, found.conversation.opted_out) == ("bot", 0, False)
    assert (await look(shelf, lambda tx: tx.refs(send))).to == "+5511987654321"
    action = await put(shelf, record(send, "t1"))
    assert await look(shelf, lambda tx: tx.open_sends(send.conversation_id)) == []
    await look(shelf, lambda tx: tx.claim(action.id, "authorised", executor="w", attempts=1, at=START))
    assert [a.id for a in await look(shelf, lambda tx: tx.open_sends(send.conversation_id))] == [action.id]
    await look(shelf, lambda tx: tx.apply(action, {"external_id": "wamid-1"}, START))
    await look(shelf, lambda tx: tx.change(action.id, "executing", "done", closed_at=START))
    assert await look(shelf, lambda tx: tx.open_sends(send.conversation_id)) == []
    await shelf.owner(send.conversation_id, "human")
    assert await look(shelf, lambda tx: tx.conversation_epoch(send.conversation_id)) == ("human", 1)


async def test_desk_and_crm_leave_their_ids(shelf: Shelf) -> None:
    send = await shelf.talk()
    talk, lead = send.conversation_id, send.lead_id
    note = record(PostDeskNote(conversation_id=talk, text="resumo"), "d1", "executing")
    result = {"desk_contact_id": "7", "desk_conversation_id": "9", "desk_message_id": "11"}
    await put(shelf, note)
    await look(shelf, lambda tx: tx.apply(note, result, START))
    for action in (
        SetDeskStatus(conversation_id=talk, status="open"),
        MirrorToDesk(conversation_id=talk, message_id=note.id, direction="incoming", text="Oi"),
    ):
        assert (await look(shelf, lambda tx, action=action: tx.refs(action))).desk_conversation == "9"
    for number, (action, external) in enumerate(
        (
            (UpsertCompany(lead_id=lead, name="Pia Ltda", cnpj="12345678000195"), "c1"),
            (UpsertPerson(lead_id=lead, name="Ana"), "p1"),
            (OpenDeal(lead_id=lead, title="Pia"), "d1"),
            (AddDealNote(lead_id=lead, ref="r1", text="resumo"), "n1"),
        )
    ):
        made = record(action, f"crm{number}", "executing")
        await put(shelf, made)
        await look(shelf, lambda tx, made=made, external=external: tx.apply(made, {"external_id": external}, START))
    refs = await look(shelf, lambda tx: tx.refs(OpenDeal(lead_id=lead, title="Pia")))
    assert (refs.company_id, refs.person_id, refs.deal_id) == ("c1", "p1", "d1")


# -- the record ---------------------------------------------------------------------------------------------------------------


async def test_the_chain_of_many_writers_is_one_chain(shelf: Shelf) -> None:
    async def write(number: int) -> None:
        try:
            async with shelf.books.transaction() as tx:
                await tx.audit("x", f"user:{number}", START, {"n": number, "text": "ação"})
                await tx.emit("x", START, {"n": number})
                if number % 3 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    await asyncio.gather(*(write(n) for n in range(12)))
    rows, chain = await shelf.chain(), Chain()
    assert [chain.take(row) for row in rows] == [None] * 8
    assert {json.loads(row.payload_text)["n"] % 3 for row in rows} == {1, 2}
    assert len(await shelf.events()) == 8
