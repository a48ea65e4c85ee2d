"""What was sent and never answered: looked up first, sent again only while nobody decided otherwise and the law still lets it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from knowledge.domain.action import PublishCampaign, ResumeCampaign
from knowledge.domain.books import ActionRecord
from knowledge.domain.campaign import PublishedCampaign
from tests.gate.house import ANA, RUI, Bench, asks, brl, budget, pause, policy_with, publication
from tools.errors import Refused, Unavailable, UnknownOutcome
from tools.gate import Gate, Receipt
from tools.gate.care import SETTLE


def lost(operation: str, times: int = 3) -> list[UnknownOutcome]:
    return [UnknownOutcome("meta", operation, "lost") for _ in range(times)]  # pyright: ignore[reportReturnType]


async def in_doubt(bench: Bench, *, committed: bool, amount: str = "115") -> str:
    """A raise from 100 that was never answered, and for now nobody can look."""
    await bench.running(amount="100")
    bench.ads.fail["set_daily_budget"] = lost("set_daily_budget", 1)  # pyright: ignore[reportArgumentType]
    bench.ads.dark = True
    if committed:
        bench.ads.lost.add("set_daily_budget")
    receipt = await bench.submit(budget(amount), "k1")
    assert receipt.status == "unknown"
    assert bench.ads.count("set_daily_budget") == 1, "nothing is sent again before somebody has looked"
    bench.ads.lost.clear()
    bench.ads.dark = False
    bench.ads.calls.clear()
    return receipt.action_id


async def test_platform_that_shows_it_ends_the_doubt_without_a_write(bench: Bench) -> None:
    action_id = await in_doubt(bench, committed=True)
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert bench.ads.calls == []
    assert await bench.held() == {"pia-meta": "settled"}
    assert await bench.rows("select to_minor from budget_changes where action_id = :id", id=action_id) == [(11500,)]


async def test_under_a_kill_switch_looking_is_still_allowed(bench: Bench) -> None:
    await in_doubt(bench, committed=True)
    await bench.gate.kill("all", None, ANA, "parar")
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert bench.ads.calls == []


async def test_under_a_kill_switch_sending_again_is_not(bench: Bench) -> None:
    action_id = await in_doubt(bench, committed=False)
    await bench.gate.kill("all", None, ANA, "parar")
    assert [r.status for r in await bench.beside().gate.recover()] == ["unknown"]
    assert bench.ads.calls == []
    assert (await bench.action(action_id)).attempts == 1


async def test_nothing_of_it_on_the_platform_and_nobody_decided_otherwise_is_sent_again(bench: Bench) -> None:
    await in_doubt(bench, committed=False)
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert bench.ads.count("set_daily_budget") == 1


async def test_a_person_who_stopped_it_meanwhile_is_right(bench: Bench) -> None:
    """A start whose answer was lost must not start the campaign after somebody stopped it."""
    await bench.running(amount="100")
    assert (await bench.submit(pause(), "p0", ANA)).status == "done"
    bench.ads.before_write = None
    resume = ResumeCampaign(platform="meta", campaign_id="pia-meta")
    write = bench.ads.resume

    async def swallowed(external_id: str, key: str) -> None:
        await write(external_id, key)
        raise UnknownOutcome("meta", "resume", "lost")

    bench.ads.resume = swallowed  # type: ignore[method-assign, assignment]
    bench.ads.dark = True
    started = await bench.submit(resume, "r1", ANA)
    bench.ads.dark = False
    assert started.status == "unknown"
    bench.ads.resume = write  # type: ignore[method-assign]
    bench.clock.advance(timedelta(minutes=1))
    assert (await bench.submit(pause(), "p2", RUI)).status == "done"
    bench.ads.calls.clear()
    [receipt] = await bench.beside().gate.recover()
    assert (receipt.status, receipt.message.id) == ("failed", "gate.superseded")
    assert bench.ads.campaigns["x-pia-meta"].delivery == "paused"
    assert bench.ads.calls == []


async def test_budget_set_by_somebody_later_is_not_written_over(bench: Bench) -> None:
    first = await in_doubt(bench, committed=False)
    assert (await bench.submit(budget("90"), "k2", ANA)).status == "done"  # the same moment, but decided after it
    [receipt] = await bench.beside().gate.recover()
    assert (receipt.action_id, receipt.status, receipt.message.id) == (first, "failed", "gate.superseded")
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("90")
    assert await bench.held() == {"pia-meta": "released"} or (await bench.held())["pia-meta"] in ("released", "settled")
    assert await bench.rows("select count(*) from reservations where status = 'held'") == [(0,)]


async def test_doubt_is_judged_anew_before_it_is_sent(bench: Bench) -> None:
    await in_doubt(bench, committed=False)
    bench.ads.put("x-pia-meta", brl("90"), "by hand")  # from 90 to 115 would ask
    [receipt] = await bench.beside().gate.recover()
    assert (receipt.status, receipt.message.id) == ("failed", "gate.no_longer")
    assert "approval_above" in receipt.message.params["rules"]
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("90")


async def test_doubt_stays_while_the_platform_cannot_be_read(bench: Bench) -> None:
    action_id = await in_doubt(bench, committed=True)
    get = bench.ads.get_campaign

    async def down(external_id: str) -> None:
        raise Unavailable("meta", "get_campaign", "down")

    bench.ads.get_campaign = down  # type: ignore[method-assign, assignment]
    for _ in range(20):
        assert [r.status for r in await bench.beside().gate.recover()] == ["unknown"]
    assert await bench.held() == {"pia-meta": "held"}
    bench.ads.get_campaign = get  # type: ignore[method-assign]
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert (await bench.action(action_id)).attempts == 1


@pytest.mark.parametrize("committed", [True, False])
async def test_a_lost_answer_is_looked_up_at_once_and_sent_again_only_if_nothing_came_of_it(bench: Bench, committed: bool) -> None:
    await bench.running(amount="100")
    bench.ads.fail["set_daily_budget"] = lost("set_daily_budget", 1)  # pyright: ignore[reportArgumentType]
    if committed:
        bench.ads.lost.add("set_daily_budget")
    receipt = await bench.submit(budget("115"), "k1")
    assert receipt.status == "done"
    assert bench.ads.count("set_daily_budget") == (1 if committed else 2)
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("115")
    assert await bench.held() == {"pia-meta": "settled"}


async def test_what_a_hand_did_between_a_lost_answer_and_the_second_try_is_not_written_over(bench: Bench) -> None:
    """The answer is lost, and in that moment somebody sets 60 on the platform: from there 115 would be a large step."""
    await bench.running(amount="100")
    bench.ads.fail["set_daily_budget"] = lost("set_daily_budget", 1)  # pyright: ignore[reportArgumentType]

    async def by_hand(_seconds: float) -> None:
        bench.ads.put("x-pia-meta", brl("60"), "by hand")

    gate = Gate(bench.books, bench.gate._core.effects, lambda: bench.policy, bench.clock, executor=bench.executor, sleep=by_hand)
    receipt = await gate.submit(asks(budget("115"), "k1"))
    assert (receipt.status, receipt.message.id) == ("failed", "gate.no_longer")
    assert bench.ads.count("set_daily_budget") == 1
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("60")


async def test_a_cut_that_was_found_late_is_where_the_days_raises_begin(bench: Bench) -> None:
    """The platform has run at 20 for two days when we learn of it: from there +50 % in a day, not back to 100 in small steps."""
    bench.policy = policy_with(approval_above=1, max_cumulative_increase=9, max_scale=9, quality={"min_hours_between_raises": 0})
    await in_doubt(bench, committed=True, amount="20")
    bench.clock.advance(timedelta(days=2))
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    first = await bench.submit(budget("26"), "k2", RUI)
    assert first.done, first.findings
    second = await bench.submit(budget("38"), "k3", RUI)
    assert second.status == "refused"
    assert [f.rule for f in second.findings if f.answer == "refuse"] == ["max_increase"]


async def test_a_no_after_a_look_that_showed_nothing_ends_it(bench: Bench) -> None:
    await in_doubt(bench, committed=False)
    bench.ads.fail["set_daily_budget"] = [Refused("meta", "set_daily_budget", "too many changes")]
    assert [r.status for r in await bench.beside().gate.recover()] == ["failed"]
    assert await bench.held() == {"pia-meta": "released"}


@pytest.mark.parametrize("then", [SETTLE - timedelta(seconds=1), SETTLE])
async def test_a_lost_creation_waits_until_the_lists_can_show_it(bench: Bench, then: timedelta) -> None:
    """A dead process's creation, in lists that lag: sent again too early, it would be two campaigns."""
    bench.policy = policy_with()
    bench.ads.fail["publish"] = lost("publish", 1)  # pyright: ignore[reportArgumentType]
    assert (await bench.submit(publication(), "k1")).status == "unknown"
    bench.ads.calls.clear()
    bench.clock.advance(then)
    early = then < SETTLE
    assert [r.status for r in await bench.beside().gate.recover()] == ["unknown" if early else "done"]
    assert bench.ads.count("publish") == (0 if early else 1)


async def test_an_intent_whose_first_caller_died_is_judged_anew_when_it_is_asked_again(bench: Bench) -> None:
    await bench.running(amount="100")
    dying = bench.beside()

    async def dies(*_: object) -> None:
        raise RuntimeError("power cut")

    dying.gate.execute = dies  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError):
        await dying.submit(budget("110"), "k1")
    bench.ads.put("x-pia-meta", brl("50"), "by hand")  # from 50 to 110 is no small step any more
    again = await bench.submit(budget("110"), "k1")
    assert (again.status, again.message.id) == ("cancelled", "gate.no_longer")
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("50")


async def test_two_that_recover_at_once_leave_what_is_done_alone(bench: Bench) -> None:
    action_id = await in_doubt(bench, committed=True)
    one, other = bench.beside(), bench.beside()
    found = await asyncio.gather(one.gate.recover(), other.gate.recover(), one.gate.recover())
    assert {r.status for receipts in found for r in receipts} == {"done"}
    assert (await bench.action(action_id)).status == "done"
    from tools.gate import care

    bench.ads.put("x-pia-meta", brl("400"), "by hand")  # nothing that would pass today
    assert (await care.recover_one(one.gate._core, action_id)).status == "done"
    assert (await bench.action(action_id)).status == "done"


async def test_two_changes_of_one_campaign_never_leave_at_once(bench: Bench) -> None:
    """A cut is decided while a raise is on its way. It waits for the raise, and is judged from there."""
    await bench.running(amount="100")
    on_its_way, through = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        bench.ads.before_write = None
        on_its_way.set()
        await through.wait()

    bench.ads.before_write = slowly
    raising = asyncio.create_task(bench.submit(budget("110"), "raise"))
    await on_its_way.wait()
    other = bench.beside()
    cut = await other.submit(budget("95"), "cut", ANA)
    assert (cut.status, cut.message.id) == ("authorised", "gate.behind")
    assert bench.ads.calls == []
    through.set()
    assert (await raising).status == "done"
    bench.clock.advance(timedelta(minutes=2))
    assert [(r.action_id, r.status) for r in await other.gate.recover()] == [(cut.action_id, "done")]
    assert [name for name, _ in bench.ads.calls] == ["set_daily_budget"] * 2
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("95")
    record = await bench.action(cut.action_id)
    assert record.facts.campaign is not None and record.facts.campaign.daily_budget == brl("110"), "judged on what was so by then"


async def test_a_stop_does_not_wait_for_a_budget(bench: Bench) -> None:
    await bench.running(amount="100")
    stopped: list[str] = []

    async def meanwhile() -> None:
        bench.ads.before_write = None
        stopped.append((await bench.beside().submit(pause(), "stop", ANA)).status)

    bench.ads.before_write = meanwhile
    assert (await bench.submit(budget("90"), "cut")).status == "done"
    assert stopped == ["done"]
    assert bench.ads.campaigns["x-pia-meta"].delivery == "paused"


async def test_an_older_decision_that_was_slow_is_not_written_over_a_newer_one(bench: Bench) -> None:
    """Allowed, and its process is slow; meanwhile somebody decides otherwise, and it is done."""
    await bench.running(amount="100")
    slow = bench.beside()
    execute = slow.gate.execute

    async def after_the_other(action_id: str, known: ActionRecord | None = None) -> Receipt:
        bench.clock.advance(timedelta(seconds=1))
        assert (await bench.submit(budget("90"), "new", ANA)).status == "done"
        return await execute(action_id, known)

    slow.gate.execute = after_the_other  # type: ignore[method-assign]
    old = await slow.submit(budget("95"), "old")
    assert (old.status, old.message.id) == ("authorised", "gate.behind")
    bench.clock.advance(timedelta(minutes=2))
    [receipt] = await bench.beside().gate.recover()
    assert (receipt.status, receipt.message.id) == ("cancelled", "gate.superseded")
    assert bench.ads.count("set_daily_budget") == 1
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("90")
    assert "held" not in (await bench.held()).values()


async def test_what_was_half_made_and_changed_by_hand_is_not_switched_on(bench: Bench) -> None:
    bench.policy = policy_with()
    bench.ads.fail["publish"] = lost("publish")  # pyright: ignore[reportArgumentType]
    assert (await bench.submit(publication(), "k1")).status == "unknown"
    made = bench.ads.put("x1", brl("90"), "Pia pia-meta", delivery="paused")  # it was made of 40 a day, and somebody said 90

    async def half(key: str) -> PublishedCampaign:
        return PublishedCampaign(campaign=made, objects=())

    bench.ads.find_published = half  # type: ignore[method-assign, assignment]
    bench.ads.calls.clear()
    bench.clock.advance(SETTLE)
    [receipt] = await bench.beside().gate.recover()
    assert (receipt.status, receipt.message.id) == ("failed", "gate.half_changed")
    assert bench.ads.calls == [] and bench.ads.campaigns["x1"].delivery == "paused"
    assert await bench.held() == {"pia-meta": "released"}


async def test_a_launch_that_was_found_again_counts_as_it_was_ordered_though_somebody_lowered_it(bench: Bench) -> None:
    """10 were in force this morning; that they are 9 now does not take back what the platform may have spent by them."""
    bench.policy = policy_with()
    publish = bench.ads.publish

    async def swallowed(action: PublishCampaign, key: str) -> PublishedCampaign:
        await publish(action, key)
        raise UnknownOutcome("meta", "publish", "lost")

    bench.ads.publish = swallowed  # type: ignore[method-assign, assignment]
    bench.ads.dark = True
    assert (await bench.submit(publication("new", "60"), "k1")).status == "unknown"
    bench.ads.dark = False
    bench.ads.publish = publish  # type: ignore[method-assign]
    [(external, made)] = bench.ads.campaigns.items()
    bench.ads.put(external, brl("50"), made.name)
    bench.clock.advance(SETTLE)
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert await bench.rows("select from_minor, to_minor from budget_changes order by seq") == [(None, 6000), (6000, 5000)]
    assert await bench.rows("select daily_budget_minor, launch_budget_minor from campaigns") == [(5000, 6000)]
    receipt = await bench.submit(publication("two", "10"), "k2")
    exposure = next(e for e in (await bench.action(receipt.action_id)).facts.budget.exposures if e.campaign_id == "new")
    assert exposure.highest_today == brl("60")
