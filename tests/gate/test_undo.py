"""Undo: through the same rules, to exactly what was, once, and only when nobody changed the object since."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import text

from knowledge.domain.action import Actor, ResumeCampaign
from tests.gate.house import ANA, BUYER, RUI, VERA, Bench, asks, brl, budget, pause, policy_with, publication
from tools.errors import Unavailable

CLOCK = Actor(kind="schedule", id="decide")


def resume(campaign_id: str = "pia-meta") -> ResumeCampaign:
    return ResumeCampaign(platform="meta", campaign_id=campaign_id)


async def done(bench: Bench, action: object, key: str, proposer: Actor = CLOCK, **more: object) -> str:
    receipt = await bench.submit(action, key, proposer, **more)  # pyright: ignore
    assert receipt.status == "done", receipt
    return receipt.action_id


async def test_raise_cut_pause_and_resume_go_back(bench: Bench) -> None:
    await bench.running(amount="100")
    for action, key in ((budget("115"), "raise"), (budget("85"), "cut"), (pause(), "pause")):
        before = bench.ads.campaigns["x-pia-meta"]
        action_id = await done(bench, action, key, ANA)
        assert bench.ads.campaigns["x-pia-meta"] != before
        plan = await bench.gate.undo_plan(action_id)
        assert plan.possible
        outcome = await bench.gate.undo(action_id, ANA, "engano")
        assert (outcome.ok, outcome.status) == (True, "done")
        assert bench.ads.campaigns["x-pia-meta"] == before
        undo = await bench.action(outcome.action_id or "")
        assert (undo.undo_of, undo.facts.restores) == (action_id, action_id)
    await done(bench, pause(), "stop", ANA)
    started = await done(bench, resume(), "start", ANA)
    assert (await bench.gate.undo(started, ANA)).ok
    assert bench.ads.campaigns["x-pia-meta"].delivery == "paused"


async def test_publication_is_stopped(bench: Bench) -> None:
    action_id = await done(bench, publication(), "k1", BUYER)
    assert (await bench.gate.undo(action_id, ANA)).ok  # no minimum runtime holds it: it goes back to what was
    assert next(iter(bench.ads.campaigns.values())).delivery == "paused"


async def test_undo_of_a_cut_is_not_held_as_a_raise(bench: Bench) -> None:
    await bench.running(amount="100")
    asked = await bench.submit(budget("55"), "cut")
    assert (await bench.gate.approve(asked.action_id, ANA)).ok
    bench.clock.advance(timedelta(days=3))  # the baseline of 24 hours is the cut budget by now: back up is +82 %
    outcome = await bench.gate.undo(asked.action_id, ANA)
    assert (outcome.ok, outcome.status) == (True, "done")
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("100")


async def test_caps_hold_an_undo_too(bench: Bench) -> None:
    await bench.running(amount="100")
    stopped = await done(bench, pause(), "stop", ANA)
    bench.clock.advance(timedelta(days=1))
    await done(bench, publication("other", "150"), "k2", BUYER)  # 262.50 of 300 at worst
    outcome = await bench.gate.undo(stopped, ANA)
    assert (outcome.ok, outcome.status) == (False, "refused")
    assert "daily_cap" in {f.rule for f in outcome.findings if f.answer == "refuse"}
    assert bench.ads.campaigns["x-pia-meta"].delivery == "paused"


async def test_changed_since_by_the_house_names_who_and_when(bench: Bench) -> None:
    await bench.running(amount="100")
    first = await done(bench, budget("110"), "one")
    bench.clock.advance(timedelta(minutes=5))
    await done(bench, budget("118"), "two")
    outcome = await bench.gate.undo(first, ANA)
    assert (outcome.ok, outcome.message.id) == (False, "undo.changed")
    assert outcome.message.params["by"] == str(CLOCK)
    assert (outcome.message.params["left_budget"], outcome.message.params["budget"]) == (brl("110"), brl("118"))
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("118")


async def test_changed_since_by_hand_refuses(bench: Bench) -> None:
    await bench.running(amount="100")
    action_id = await done(bench, budget("110"), "one")
    bench.ads.put("x-pia-meta", brl("90"), "by hand")
    assert (await bench.gate.undo(action_id, ANA)).message.id == "undo.changed_outside"
    bench.ads.put("x-pia-meta", brl("110"), "by hand", delivery="paused")
    assert (await bench.gate.undo(action_id, ANA)).message.id == "undo.changed_outside"
    del bench.ads.campaigns["x-pia-meta"]
    bench.ads.put("another", brl("1"), "another")
    assert (await bench.gate.undo(action_id, ANA)).message.id == "undo.gone"


async def test_undone_once(bench: Bench) -> None:
    await bench.running(amount="100")
    action_id = await done(bench, budget("110"), "one")
    one, two = await asyncio.gather(bench.gate.undo(action_id, ANA), bench.beside().gate.undo(action_id, RUI))
    assert {one.action_id, two.action_id} - {None, action_id}
    assert bench.ads.count("set_daily_budget") == 2  # the raise and one undo
    assert (await bench.gate.undo(action_id, ANA)).message.id == "undo.already"


async def test_undo_of_an_undo_does_it_again(bench: Bench) -> None:
    await bench.running(amount="100")
    action_id = await done(bench, budget("110"), "one")
    undone = await bench.gate.undo(action_id, ANA)
    assert (await bench.gate.undo(undone.action_id or "", ANA)).ok
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("110")


async def test_refused_undo_may_be_tried_again(bench: Bench) -> None:
    await bench.running(amount="100")
    action_id = await done(bench, pause(), "one", ANA)
    kill = await bench.gate.kill("platform", "meta", ANA, "parar")
    assert kill.ok
    assert (await bench.gate.undo(action_id, ANA)).status == "refused"
    [(kill_id,)] = await bench.rows("select id from kill_switches")
    await bench.gate.resume(str(kill_id), ANA)
    assert (await bench.gate.undo(action_id, ANA)).ok


async def test_batch_goes_back_newest_first(bench: Bench) -> None:
    await bench.running("one", "50")
    await bench.running("two", "60")
    await done(bench, budget("55", "one"), "a", correlation_id="decision-1")
    await done(bench, budget("66", "two"), "b", correlation_id="decision-1")
    bench.ads.put("x-two", brl("61"), "by hand")
    outcomes = await bench.gate.undo_batch("decision-1", ANA)
    assert sorted(o.ok for o in outcomes) == [False, True]
    assert bench.ads.campaigns["x-one"].daily_budget == brl("50")
    assert bench.ads.campaigns["x-two"].daily_budget == brl("61")


async def test_what_cannot_be_undone_says_why(bench: Bench) -> None:
    message = await bench.conversation()
    sent = await bench.submit(message, "m1")
    assert sent.done
    assert (await bench.gate.undo(sent.action_id, ANA)).message.id == "undo.irreversible"
    await bench.running(amount="100")
    asked = await bench.submit(budget("130"), "k1")
    assert (await bench.gate.undo(asked.action_id, ANA)).message.id == "undo.not_done"
    assert (await bench.gate.undo(asked.action_id, VERA)).message.id == "gate.not_allowed"
    assert (await bench.gate.undo(asked.action_id, BUYER)).message.id == "gate.not_allowed"


async def test_platform_that_cannot_be_read_undoes_nothing(bench: Bench) -> None:
    await bench.running(amount="100")
    action_id = await done(bench, budget("110"), "one")
    bench.ads.fail["list_campaigns"] = [Unavailable("meta", "list_campaigns", "down")]
    assert (await bench.gate.undo(action_id, ANA)).message.id == "undo.unreadable"
    assert (await bench.gate.undo(action_id, ANA)).ok


async def test_word_of_undo_without_its_substance_spares_no_rule(bench: Bench) -> None:
    """Naming another action in `undo_of` is a way around the rules of pace, if the ledger were not asked."""
    await bench.running(amount="100")
    action_id = await done(bench, budget("110"), "one")
    for amount in ("149", "101"):  # 100 would be the undo
        receipt = await bench.gate.submit(asks(budget(amount), f"fake-{amount}", CLOCK, undo_of=action_id))
        assert (await bench.action(receipt.action_id)).facts.restores is None
        assert receipt.status == "refused"
        assert "undo_object" in {f.rule for f in receipt.findings}


async def test_agents_undo_is_judged_like_any_change(bench: Bench) -> None:
    bench.policy = policy_with()
    await bench.running(amount="100")
    asked = await bench.submit(budget("55"), "cut")
    assert (await bench.gate.approve(asked.action_id, ANA)).ok
    bench.clock.advance(timedelta(days=3))
    receipt = await bench.gate.submit(asks(budget("100"), "agent-undo", BUYER, undo_of=asked.action_id))
    assert receipt.status == "refused"
    assert "max_increase" in {f.rule for f in receipt.findings}


async def test_a_campaign_is_published_once_whatever_the_intent_is_called(bench: Bench) -> None:
    assert (await bench.submit(publication(), "k1")).status == "done"
    again = await bench.submit(publication(), "k2")
    assert again.status == "refused"
    assert "already_published" in {f.rule for f in again.findings}
    assert bench.ads.count("publish") == 1


async def test_undo_goes_to_the_object_that_was_changed_or_nowhere(bench: Bench) -> None:
    await bench.running(amount="100")
    action_id = await done(bench, budget("110"), "one")
    bench.ads.put("another", brl("5"), "another")
    async with bench.db.transaction() as tx:
        await tx.conn.execute(text("update campaigns set external_id = 'another' where id = 'pia-meta'"))
    assert (await bench.gate.undo(action_id, ANA)).message.id == "undo.other_object"
    fake = await bench.gate.submit(asks(budget("100"), "fake", ANA, undo_of=action_id))
    assert (await bench.action(fake.action_id)).facts.restores is None
    assert bench.ads.campaigns["another"].daily_budget == brl("5")
