"""A grant stands in for a manager's yes: within its bounds, as often as it says, until it ends or is taken back; and for nothing else."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from knowledge.domain.action import Actor
from knowledge.domain.message import Message
from prompts.messages import LOCALES, render
from runtime.jobs.autonomy import HOUSE, revoke
from tests.autonomy.conftest import asking
from tests.autonomy.grants import granted, used, wish
from tests.gate.house import ANA, BUYER, RUI, VERA, Bench, brl, budget, pause, policy_with


async def test_more_autonomy_is_always_asked_and_never_by_an_agent(bench: Bench) -> None:
    receipt = await bench.submit(wish(bench), "g1", HOUSE)
    assert receipt.status == "waiting"
    assert [f.rule for f in receipt.findings] == ["autonomy"]
    assert (await bench.gate.approve(receipt.action_id, VERA)).message.id == "gate.not_allowed"
    assert await bench.rows("select * from grants") == []
    assert (await bench.gate.reject(receipt.action_id, ANA, "ainda não")).ok
    assert await bench.rows("select * from grants") == []
    assert (await bench.submit(wish(bench), "g2", BUYER)).status == "refused"
    own = await bench.submit(wish(bench), "g3", ANA)
    assert (await bench.gate.approve(own.action_id, ANA)).message.id == "gate.own_proposal"
    assert (await bench.gate.approve(own.action_id, RUI)).status == "done"
    ((proposed, by),) = await bench.rows("select proposed_by, granted_by from grants")
    assert (proposed, by) == (str(ANA), str(RUI))


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"max_amount": brl("150.01")}, "amount"),
        ({"max_amount": brl("150")}, None),
        ({"max_change": Decimal("0.51")}, "change"),
        ({"max_change": Decimal("0.50")}, None),
        ({"days": 0}, "expiry"),
        ({"days": 91}, "expiry"),
        ({"days": 90}, None),
    ],
)
async def test_no_grant_beyond_the_dials(bench: Bench, more: dict[str, object], cause: str | None) -> None:
    values = dict(more)
    days = values.pop("days", None)
    if days is not None:
        values["expires_at"] = bench.clock.now() + timedelta(days=int(str(days)))
    receipt = await bench.submit(wish(bench, **values), "g1", HOUSE)
    assert receipt.status == ("waiting" if cause is None else "refused")
    if cause is not None:
        assert receipt.findings[0].numbers["cause"] == cause
        for locale in LOCALES:
            assert "{" not in render(receipt.findings[0].message, locale)


async def test_advisory_kinds_cannot_be_granted(bench: Bench) -> None:
    bench.policy = asking(by_action={"campaign.set_budget": 3})
    receipt = await bench.submit(wish(bench), "g1", HOUSE)
    assert (receipt.status, receipt.findings[0].numbers["cause"]) == ("refused", "advisory")


async def test_within_its_bounds_a_machine_acts_and_the_count_falls(bench: Bench) -> None:
    await bench.running(amount="100")
    assert (await bench.submit(budget("105"), "before")).status == "waiting"
    grant = await granted(bench)
    receipt = await bench.submit(budget("110"), "k1")
    assert receipt.status == "done"
    assert await used(bench) == [(1, 2)]
    record = await bench.action(receipt.action_id)
    assert record.verdict.answer == "allow"
    assert {str(f.numbers.get("grant")) for f in record.verdict.findings if f.rule == "autonomy"} == {grant}
    assert [str(a) for a, *_ in await bench.rows("select action_id from grant_uses")] == [receipt.action_id]
    assert (await bench.submit(budget("110"), "k1")).action_id == receipt.action_id, "the same intent again"
    assert await used(bench) == [(1, 2)]
    assert (await bench.submit(budget("112"), "k2")).status == "done"
    assert await used(bench) == [(2, 2)]
    assert (await bench.submit(budget("113"), "k3")).status == "waiting"


@pytest.mark.parametrize(("amount", "status"), [("115", "done"), ("115.01", "waiting"), ("85", "done"), ("84.99", "waiting")])
async def test_change_at_the_border(bench: Bench, amount: str, status: str) -> None:
    await bench.running(amount="100")
    await granted(bench)
    assert (await bench.submit(budget(amount), "k1")).status == status
    assert await used(bench) == [(1 if status == "done" else 0, 2)]


@pytest.mark.parametrize(("now", "to", "status"), [("110", "120", "done"), ("110", "120.01", "waiting"), ("125", "119", "waiting")])
async def test_amount_at_the_border_counts_before_and_after(bench: Bench, now: str, to: str, status: str) -> None:
    await bench.running(amount=now)
    await granted(bench)
    assert (await bench.submit(budget(to), "k1")).status == status


async def test_its_end_is_exact(bench: Bench) -> None:
    await bench.running(amount="100", launched_hours_ago=200)
    await granted(bench)
    bench.clock.advance(timedelta(days=7) - timedelta(microseconds=1))
    assert (await bench.submit(budget("104"), "k1")).status == "done"
    bench.clock.advance(timedelta(microseconds=1))
    assert (await bench.submit(budget("108"), "k2")).status == "waiting"


async def test_a_grant_with_a_change_of_its_own_answers_the_line_above_which_changes_ask(bench: Bench) -> None:
    await bench.running(amount="80")
    await granted(bench, max_change=Decimal("0.30"))
    assert (await bench.submit(budget("104"), "k1")).status == "done", "30 %, where the dial asks above 20 %"
    ids = await bench.rows("select count(*) from grant_uses")
    assert ids == [(1,)] and await used(bench) == [(1, 2)], "one action, one use, though two rules asked"


async def test_a_grant_without_one_leaves_that_line_where_it_is(bench: Bench) -> None:
    await bench.running(amount="80")
    await granted(bench, max_change=None)
    first = await bench.submit(budget("97"), "k1")
    assert first.status == "waiting" and {f.rule for f in first.findings} == {"approval_above"}
    assert await used(bench) == [(0, 2)]
    assert (await bench.submit(budget("96"), "k2")).status == "done"


async def test_other_kinds_and_people_are_not_covered(bench: Bench) -> None:
    bench.policy = asking(by_action={"campaign.set_budget": 2, "campaign.pause": 2})
    await bench.running(amount="100")
    await granted(bench)
    assert (await bench.submit(pause(), "k1")).status == "waiting"
    assert (await bench.submit(budget("105"), "k2", ANA)).status == "waiting", "a person's command is judged as before"
    assert (await bench.submit(budget("105"), "k3", Actor(kind="schedule", id="decide"))).status == "done"


async def test_what_others_ask_or_refuse_stays(bench: Bench) -> None:
    await bench.running(amount="100")
    await granted(bench, max_amount=brl("150"), max_change=Decimal("0.50"), max_count=9)
    unsure = await bench.submit(budget("110"), "k1", confidence=Decimal("0.84"))
    assert unsure.status == "waiting" and {f.rule for f in unsure.findings} == {"confidence"}
    bench.policy = asking().model_copy(update={"guardrails": policy_with(daily_cap=brl("180")).guardrails})
    refused = await bench.submit(budget("110"), "k3", confidence=Decimal("0.99"))
    assert refused.status == "refused" and "daily_cap" in {f.rule for f in refused.findings}, "110 may cost 192.50 in a day"
    assert await used(bench) == [(0, 9)]
    killed = await bench.gate.kill("all", None, ANA, "stop")
    assert killed.ok
    assert (await bench.submit(budget("104"), "k4", confidence=Decimal("0.99"))).status == "refused"


async def test_shadow_asks_whatever_is_granted_and_says_what_the_house_would_have_done(bench: Bench) -> None:
    await bench.running(amount="100")
    await granted(bench)
    bench.policy = asking(by_action={}, shadow=True)
    receipt = await bench.submit(budget("110"), "k1")
    assert receipt.status == "waiting"
    found = receipt.findings[0]
    assert (found.message.id, found.numbers["own"]) == ("guard.autonomy.shadow", "allow")
    assert bench.ads.calls == []
    assert (await bench.gate.approve(receipt.action_id, ANA)).status == "done"
    assert await bench.rows("select kind, agreed from agreements where kind = 'campaign.set_budget'") == [
        ("campaign.set_budget", True)
    ]
    assert await used(bench) == [(0, 2)]
    bench.policy = asking(by_action={}, shadow_actions=("campaign.pause",))
    assert (await bench.submit(pause(), "k2")).status == "waiting"
    person = await bench.submit(budget("112"), "k3", RUI)
    assert person.status == "done", "a person's command is nobody's shadow"
    fire = pause().model_copy(update={"emergency": True})
    assert (await bench.submit(fire, "k4", Actor(kind="schedule", id="watchdog"))).status == "done"


async def test_two_gates_never_share_the_last_one(bench: Bench, engine: AsyncEngine) -> None:
    """Two processes, many campaigns, five uses: five pass, the rest asks."""
    other = bench.beside(engine)
    bench.policy = other.policy = bench.policy.model_copy(update={"guardrails": policy_with(
        quality={"min_hours_between_raises": 0, "min_impressions": 0, "test_hours": 0}, daily_cap=brl("5000"), weekly_cap=brl("35000"),
        strategy_min_campaigns=1000, max_reallocation=Decimal("1"),
    ).guardrails})  # fmt: skip
    names = [f"c{n}" for n in range(12)]
    for name in names:
        await bench.running(name, "10", launched_hours_ago=200)
    await granted(bench, max_count=5)
    given = await asyncio.gather(
        *((bench if n % 2 else other).submit(budget("11", name), f"k:{name}") for n, name in enumerate(names))
    )
    assert sorted(r.status for r in given) == ["done"] * 5 + ["waiting"] * 7, [f.rule for r in given for f in r.findings]
    assert await used(bench) == [(5, 5)]
    assert len(await bench.rows("select 1 from grant_uses")) == 5
    assert sum(1 for name, _ in bench.ads.calls if name == "set_daily_budget") == 5


async def test_revoked_between_judgement_and_use_authorises_nothing(bench: Bench) -> None:
    """Revocation waits for the budget lock, so this cannot happen by itself; the count refuses it all the same."""
    from knowledge.domain.grant import GrantSpent

    await bench.running(amount="100")
    grant = await granted(bench)
    receipt = await bench.submit(budget("110"), "k1")
    record = await bench.action(receipt.action_id)
    await bench.rows("select 1")
    async with bench.db.transaction() as tx:
        assert await tx.grants.revoke(
            grant, str(ANA), Message(id="autonomy.lost.person", params={"reason": "x"}), at=bench.clock.now()
        )
    twin = record.model_copy(update={"id": "00000000-0000-5000-8000-000000000001", "key": "twin"})
    with pytest.raises(GrantSpent):
        async with bench.books.transaction() as tx:
            await tx.insert(twin, None)
            await tx.reserve(twin, bench.clock.now())
    assert await bench.rows("select 1 from actions where id = :id", id=twin.id) == []
    assert await used(bench) == [(1, 2)]


async def test_revocation_is_at_once_audited_and_final(bench: Bench) -> None:
    await bench.running(amount="100")
    grant = await granted(bench)
    async with bench.db.transaction() as tx:
        found = await tx.grants.get(grant)
    assert found is not None and found.state(bench.clock.now()) == "living"
    reason = Message(id="autonomy.lost.person", params={"reason": "cautela"})
    assert await revoke(bench.books, found, str(RUI), reason, bench.clock.now())
    assert not await revoke(bench.books, found, str(RUI), reason, bench.clock.now())
    assert (await bench.submit(budget("110"), "k1")).status == "waiting"
    assert await bench.rows("select actor from audit_log where kind = 'autonomy.revoked'") == [(str(RUI),)]


async def test_rejections_in_a_row_end_it_before_anybody_wrote_so(bench: Bench) -> None:
    bench.policy = asking(by_action={"campaign.set_budget": 2}).model_copy(
        update={"guardrails": policy_with(quality={"min_hours_between_raises": 0, "min_impressions": 0, "test_hours": 0, "rejection_memory_hours": 0}).guardrails}
    )  # fmt: skip
    await bench.running(amount="100")
    await granted(bench, max_count=9)
    bench.clock.advance(timedelta(minutes=1))
    for n, amount in enumerate(("130", "131")):
        asked = await bench.submit(budget(amount), f"no{n}")
        assert asked.status == "waiting"
        if n == 1:
            assert (await bench.submit(budget("104"), "still")).status == "done", "one rejection is not two"
        assert (await bench.gate.reject(asked.action_id, ANA, "não")).ok
        bench.clock.advance(timedelta(minutes=1))
    assert (await bench.submit(budget("105"), "k1")).status == "waiting"


async def test_an_undo_of_what_it_did_ends_it_at_once(bench: Bench) -> None:
    """Not at the next review: what a person took back is not done again on the same grant."""
    await bench.running(amount="100")
    grant = await granted(bench, max_count=9)
    first = await bench.submit(budget("104"), "k1")
    assert first.status == "done"
    assert (await bench.submit(budget("105"), "k2")).status == "done"
    undo = await bench.gate.undo(first.action_id, ANA)
    assert not undo.ok, "somebody changed it since"
    assert (await bench.submit(budget("106"), "k3")).status == "done", "an undo that was not done ends nothing"
    last = await bench.submit(budget("107"), "k4")
    taken_back = await bench.gate.undo(last.action_id, ANA)  # level 2 asks of everybody
    assert (await bench.gate.approve(taken_back.action_id or "", RUI)).status == "done"
    later = await bench.submit(budget("103"), "k5")
    assert later.status == "waiting", [f.message for f in later.findings]
    (known,) = (await bench.action(later.action_id)).facts.grants
    assert (known.id, known.undone) == (grant, 1)


async def test_a_scheduled_action_keeps_its_use_through_its_grace(bench: Bench) -> None:
    bench.policy = asking(grace_minutes=10)
    await bench.running(amount="100")
    await bench.running("other", "20")
    await granted(bench, max_count=1)
    receipt = await bench.submit(budget("110"), "k1")
    assert receipt.status == "scheduled"
    assert await used(bench) == [(1, 1)]
    assert (await bench.submit(budget("21", "other"), "k2")).status == "waiting", "the only use is taken"
    bench.clock.advance(timedelta(minutes=11))
    assert await bench.gate.release_due() == 1
    assert (await bench.action(receipt.action_id)).status == "done"
    assert await used(bench) == [(1, 1)]


async def test_facts_of_the_record_name_the_grant_so_that_a_replay_sees_it(bench: Bench) -> None:
    from knowledge.domain.chain import canonical
    from tools.guardrails import judge

    await bench.running(amount="100")
    grant = await granted(bench)
    record = await bench.action((await bench.submit(budget("110"), "k1")).action_id)
    assert [(g.id, g.left) for g in record.facts.grants] == [(grant, 2)]
    assert canonical(judge(record.action, record.facts, bench.policy)) == canonical(record.verdict)
