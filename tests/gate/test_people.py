"""Managers: a yes is bound to what was shown, judged again, given once, and never by who asked."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from knowledge.domain.money import Money
from tests.gate.house import ANA, BUYER, RUI, VERA, Bench, brl, budget, policy_with, publication
from tools.errors import Unavailable


async def waiting(bench: Bench, amount: str = "130", key: str = "k1") -> str:
    await bench.running(amount="100")
    receipt = await bench.submit(budget(amount), key)
    assert receipt.status == "waiting"
    return receipt.action_id


async def test_yes_executes_exactly_what_was_shown(bench: Bench) -> None:
    action_id = await waiting(bench)
    other = await bench.gate.approve(action_id, ANA, budget("131").fingerprint())
    assert (other.ok, other.message.id) == (False, "gate.other_arguments")
    assert bench.ads.calls == []
    outcome = await bench.gate.approve(action_id, ANA, budget("130").fingerprint())
    assert (outcome.ok, outcome.status) == (True, "done")
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("130")
    ticket = await bench.ticket(action_id)
    assert (ticket.status, ticket.decided_by) == ("approved", str(ANA))
    assert await bench.audited(action_id) == ["action.waiting", "approval.approved", "action.done"]


async def test_who_asked_may_not_answer(bench: Bench) -> None:
    await bench.running(amount="100")
    receipt = await bench.submit(budget("130"), "k1", ANA)
    outcome = await bench.gate.approve(receipt.action_id, ANA)
    assert (outcome.ok, outcome.message.id) == (False, "gate.own_proposal")
    assert bench.ads.calls == []
    # The same person under another role is the same person.
    promoted = ANA.model_copy(update={"role": "admin"})
    assert (await bench.gate.approve(receipt.action_id, promoted)).message.id == "gate.own_proposal"
    assert (await bench.gate.approve(receipt.action_id, RUI)).ok


async def test_viewers_agents_and_people_without_role_decide_nothing(bench: Bench) -> None:
    action_id = await waiting(bench)
    for actor in (VERA, BUYER, ANA.model_copy(update={"role": None}), BUYER.model_copy(update={"role": "admin"})):
        assert (await bench.gate.approve(action_id, actor)).message.id == "gate.not_allowed"
        assert (await bench.gate.reject(action_id, actor, "no")).message.id == "gate.not_allowed"
        assert (await bench.gate.kill("all", None, actor, "no")).message.id == "gate.not_allowed"
    assert (await bench.ticket(action_id)).status == "pending"
    assert bench.ads.calls == []


async def test_no_is_final_and_its_reason_is_kept(bench: Bench) -> None:
    action_id = await waiting(bench)
    assert (await bench.gate.reject(action_id, ANA, "muito cedo")).ok
    assert (await bench.gate.approve(action_id, RUI)).message.id == "gate.already_decided"
    assert (await bench.submit(budget("130"), "k1")).status == "rejected"
    ticket = await bench.ticket(action_id)
    assert (ticket.status, ticket.reason) == ("rejected", "muito cedo")
    assert bench.ads.calls == []


async def test_request_ends_with_its_time(bench: Bench) -> None:
    first = await waiting(bench)
    second = (await bench.submit(budget("125"), "k2")).action_id
    bench.clock.advance(timedelta(hours=4) - timedelta(microseconds=1))
    assert await bench.gate.expire_due() == 0
    bench.clock.advance(timedelta(microseconds=1))
    assert (await bench.gate.approve(first, ANA)).message.id == "gate.expired"
    assert (await bench.action(first)).status == "expired"
    assert await bench.gate.expire_due() == 1  # the second; the first went with the late click
    assert (await bench.action(second)).status == "expired"
    assert await bench.gate.expire_due() == 0
    assert bench.ads.calls == []


async def test_cap_used_up_meanwhile_refuses_the_yes(bench: Bench) -> None:
    bench.policy = policy_with(new_campaign_asks=True)
    asked = await bench.submit(publication("asked", "80"), "k1")  # 140 at worst, allowed today
    assert asked.status == "waiting"
    bench.policy = policy_with()
    assert (await bench.submit(publication("one", "60"), "k2")).status == "done"  # 105
    assert (await bench.submit(publication("two", "40"), "k3")).status == "done"  # 70: 175 in all
    outcome = await bench.gate.approve(asked.action_id, ANA)
    assert (outcome.ok, outcome.status, outcome.message.id) == (False, "refused", "gate.refused_now")
    assert "daily_cap" in {f.rule for f in outcome.findings}
    assert bench.ads.count("publish") == 2
    ticket = await bench.ticket(asked.action_id)
    assert (ticket.status, ticket.decided_by) == ("rejected", "policy")


async def test_budget_changed_by_hand_meanwhile_is_shown_before_it_is_approved(bench: Bench) -> None:
    action_id = await waiting(bench)
    bench.ads.put("x-pia-meta", brl("90"), "by hand")
    outcome = await bench.gate.approve(action_id, ANA, budget("130").fingerprint())
    assert (outcome.ok, outcome.status, outcome.message.id) == (False, "waiting", "gate.drifted")
    assert bench.ads.calls == []
    record = await bench.action(action_id)
    assert record.facts.campaign is not None
    assert record.facts.campaign.daily_budget == brl("90")
    assert (await bench.ticket(action_id)).status == "pending"
    assert (await bench.gate.approve(action_id, ANA, budget("130").fingerprint())).ok  # 44 % from 90, now seen


async def test_platform_down_leaves_the_ticket_for_another_click(bench: Bench) -> None:
    action_id = await waiting(bench)
    bench.ads.fail["list_campaigns"] = [Unavailable("meta", "list_campaigns", "down")]
    outcome = await bench.gate.approve(action_id, ANA)
    assert (outcome.status, outcome.message.id) == ("waiting", "gate.unreadable")
    assert (await bench.gate.approve(action_id, ANA)).ok


async def test_two_managers_at_once_execute_once(bench: Bench, engine: AsyncEngine) -> None:
    action_id = await waiting(bench)
    other = bench.beside()
    one, two = await asyncio.gather(bench.gate.approve(action_id, ANA), other.gate.approve(action_id, RUI))
    assert sorted([one.ok, two.ok]) == [False, True]
    assert bench.ads.count("set_daily_budget") == 1
    assert await bench.rows("select count(*) from budget_changes where to_minor = 13000") == [(1,)]


async def test_yes_and_no_at_once_have_one_winner(bench: Bench) -> None:
    action_id = await waiting(bench)
    yes, no = await asyncio.gather(bench.gate.approve(action_id, ANA), bench.beside().gate.reject(action_id, RUI, "no"))
    assert sorted([yes.ok, no.ok]) == [False, True]
    assert bench.ads.count("set_daily_budget") == (1 if yes.ok else 0)


async def test_unknown_and_odd_ids_are_answered(bench: Bench) -> None:
    assert (await bench.gate.approve("3f0e7c1e-0000-4000-8000-000000000000", ANA)).message.id == "gate.not_found"
    assert not (await bench.gate.resume("no-such-kill", ANA)).ok


def test_money_in_these_tests_is_reais() -> None:
    assert brl("52.50") == Money(minor=5250, currency="BRL")
