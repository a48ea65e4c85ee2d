"""What managers make of a request: otherwise, together, later, earlier, not at all; and what stays forbidden in each case."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from knowledge.domain.action import Actor
from knowledge.domain.policy import QuorumStep
from tests.gate.house import ANA, BUYER, RUI, VERA, Bench, brl, budget, pause, policy_with, publication
from tools.errors import Unavailable

EVA = Actor(kind="user", id="eva@example.com", role="manager")
MINOR = {"currency": "BRL"}


def amount(minor: int) -> dict[str, object]:
    return {"daily_budget": {"minor": minor, "currency": "BRL"}}


async def waiting(bench: Bench, to: str = "130", key: str = "k1", proposer: Actor = BUYER) -> str:
    if not bench.ads.campaigns:
        await bench.running(amount="100")
    receipt = await bench.submit(budget(to), key, proposer)
    assert receipt.status == "waiting"
    return receipt.action_id


# -- edit -----------------------------------------------------------------------------------------------------------------


async def test_edit_to_what_the_rules_allow_is_done_at_once(bench: Bench) -> None:
    asked = await waiting(bench, "140")
    outcome = await bench.gate.edit(asked, ANA, amount(11500), "menos", budget("140").fingerprint())
    assert (outcome.ok, outcome.status) == (True, "done")
    assert outcome.action_id not in (None, asked)
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("115")
    assert (await bench.action(asked)).status == "replaced"
    assert (await bench.ticket(asked)).status == "replaced"
    assert await bench.audited(asked) == ["action.waiting", "approval.edited"]
    assert await bench.rows("select decided, agreed from agreements") == [("edited", False)]


async def test_narrowing_edit_waits_and_its_editor_may_approve_it(bench: Bench) -> None:
    asked = await waiting(bench, "145")
    edited = await bench.gate.edit(asked, ANA, amount(13000), "um pouco menos")
    assert (edited.ok, edited.status, edited.message.id) == (True, "waiting", "gate.edited")
    assert edited.action_id is not None
    ticket = await bench.ticket(edited.action_id)
    assert (ticket.edited_from, ticket.edited_by, ticket.narrower) == (asked, str(ANA), True)
    assert ticket.expires_at == (await bench.ticket(asked)).expires_at  # an edit gives no more time
    assert (await bench.gate.approve(asked, RUI)).message.id == "gate.already_decided"
    assert (await bench.gate.approve(edited.action_id, ANA, budget("130").fingerprint())).ok
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("130")
    assert await bench.rows("select count(*) from agreements") == [(1,)]  # the edit; its own approval says nothing of the machine


async def test_widening_edit_needs_somebody_else(bench: Bench) -> None:
    asked = await waiting(bench, "130")
    edited = await bench.gate.edit(asked, ANA, amount(14500), "mais")
    assert edited.message.id == "gate.edited_wider"
    assert edited.action_id is not None
    assert (await bench.gate.approve(edited.action_id, ANA)).message.id == "gate.own_edit"
    assert bench.ads.calls == []
    assert (await bench.gate.approve(edited.action_id, RUI)).ok


async def test_another_direction_is_wider(bench: Bench) -> None:
    asked = await waiting(bench, "130")
    edited = await bench.gate.edit(asked, ANA, amount(6000), "cortar")
    assert edited.message.id == "gate.edited_wider"


async def test_refused_edit_leaves_the_request_as_it_was(bench: Bench) -> None:
    asked = await waiting(bench, "130")
    outcome = await bench.gate.edit(asked, ANA, amount(90000), "muito mais")
    assert (outcome.ok, outcome.message.id) == (False, "gate.edit_refused")
    assert "campaign_budget" in {f.rule for f in outcome.findings}
    assert (await bench.ticket(asked)).status == "pending"
    assert (await bench.gate.approve(asked, RUI, budget("130").fingerprint())).ok


@pytest.mark.parametrize(
    ("changes", "message", "named"),
    [
        ({"campaign_id": "other"}, "gate.edit_field", "campaign_id"),
        ({"platform": "tiktok"}, "gate.edit_field", "platform"),
        ({"workspace": "other"}, "gate.edit_field", "workspace"),
        ({"kind": "campaign.pause"}, "gate.edit_field", "kind"),
        ({"daily_budget": {"minor": -1, "currency": "BRL"}}, None, None),
        ({"daily_budget": "a lot"}, "gate.edit_invalid", "daily_budget"),
        ({"daily_budget": {"minor": 13000}}, "gate.edit_invalid", "daily_budget.currency"),
        (amount(13000), "gate.edit_nothing", None),
    ],
)
async def test_bad_edits_name_the_field(bench: Bench, changes: dict[str, object], message: str | None, named: str | None) -> None:
    asked = await waiting(bench, "130")
    outcome = await bench.gate.edit(asked, ANA, changes, "x")
    assert not outcome.ok
    if message is not None:
        assert outcome.message.id == message
    if named is not None:
        assert outcome.message.params["field"] == named
    assert (await bench.ticket(asked)).status == "pending"
    assert bench.ads.calls == []


async def test_edit_of_ones_own_proposal_stays_ones_own(bench: Bench) -> None:
    asked = await waiting(bench, "145", proposer=ANA)
    edited = await bench.gate.edit(asked, ANA, amount(13000), "menos")
    assert edited.action_id is not None
    assert (await bench.gate.approve(edited.action_id, ANA)).message.id == "gate.own_proposal"


async def test_edit_and_approval_at_once_have_one_winner(bench: Bench) -> None:
    asked = await waiting(bench, "145")
    yes, other = await asyncio.gather(
        bench.gate.approve(asked, RUI, budget("145").fingerprint()), bench.beside().gate.edit(asked, ANA, amount(11500), "menos")
    )
    assert sorted([yes.ok, other.ok]) == [False, True]
    assert bench.ads.count("set_daily_budget") == 1
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == (brl("145") if yes.ok else brl("115"))


async def test_the_intent_of_an_edited_request_is_the_edited_request(bench: Bench) -> None:
    """Who submits the same key again (the publication queue does) learns of what stands in its place, edits of edits included."""
    bench.policy = policy_with(new_campaign_asks=True)
    asked = await bench.submit(publication("c1", "60"), "publish:c1")
    one = await bench.gate.edit(asked.action_id, ANA, amount(5000), "menos")
    two = await bench.gate.edit(one.action_id or "", ANA, amount(4000), "menos ainda")
    again = await bench.submit(publication("c1", "60"), "publish:c1")
    assert (again.action_id, again.status) == (two.action_id, "waiting")
    assert (await bench.gate.approve(again.action_id, ANA)).ok
    assert (await bench.submit(publication("c1", "60"), "publish:c1")).status == "done"
    assert [c.daily_budget for c in bench.ads.campaigns.values()] == [brl("40")]


# -- quorum ---------------------------------------------------------------------------------------------------------------


def with_quorum(*steps: tuple[str, int, str]) -> dict[str, object]:
    return {"quorum": tuple(QuorumStep(above=brl(a), approvals=n, role=r) for a, n, r in steps)}  # pyright: ignore


async def test_larger_amounts_need_two_different_people(bench: Bench) -> None:
    bench.policy = policy_with(quality={"min_hours_between_raises": 0}, autonomy=with_quorum(("129.99", 2, "manager")))
    asked = await waiting(bench, "130")
    assert (await bench.ticket(asked)).quorum == 2
    first = await bench.gate.approve(asked, ANA)
    assert (first.ok, first.status, first.message.id) == (True, "waiting", "gate.vote_counted")
    assert bench.ads.calls == []
    again = await bench.gate.approve(asked, ANA.model_copy(update={"role": "admin"}))
    assert (again.ok, again.message.id) == (False, "gate.already_voted")
    assert (await bench.gate.approve(asked, EVA)).ok
    assert bench.ads.count("set_daily_budget") == 1
    assert [v.by for v in (await bench.ticket(asked)).votes] == [str(ANA), str(EVA)]


async def test_at_the_border_one_is_enough(bench: Bench) -> None:
    bench.policy = policy_with(quality={"min_hours_between_raises": 0}, autonomy=with_quorum(("130", 2, "manager")))
    asked = await waiting(bench, "130")
    assert (await bench.gate.approve(asked, ANA)).status == "done"


async def test_role_by_amount(bench: Bench) -> None:
    bench.policy = policy_with(quality={"min_hours_between_raises": 0}, autonomy=with_quorum(("120", 1, "admin")))
    asked = await waiting(bench, "130")
    assert (await bench.gate.approve(asked, ANA)).message.id == "gate.role_needed"
    assert (await bench.gate.approve(asked, RUI)).ok


async def test_two_votes_at_once_count_as_two_and_execute_once(bench: Bench) -> None:
    bench.policy = policy_with(quality={"min_hours_between_raises": 0}, autonomy=with_quorum(("1", 2, "manager")))
    asked = await waiting(bench, "130")
    one, two = await asyncio.gather(bench.gate.approve(asked, ANA), bench.beside().gate.approve(asked, EVA))
    assert one.ok and two.ok
    assert sorted([one.status, two.status]) == ["done", "waiting"]
    assert bench.ads.count("set_daily_budget") == 1


async def test_drift_asks_the_first_voter_again(bench: Bench) -> None:
    bench.policy = policy_with(quality={"min_hours_between_raises": 0}, autonomy=with_quorum(("1", 2, "manager")))
    asked = await waiting(bench, "130")
    assert (await bench.gate.approve(asked, ANA)).ok
    bench.ads.put("x-pia-meta", brl("90"), "by hand")
    assert (await bench.gate.approve(asked, EVA)).message.id == "gate.drifted"
    assert (await bench.ticket(asked)).votes == ()
    assert (await bench.gate.approve(asked, EVA)).status == "waiting"
    assert bench.ads.calls == []


async def test_law_that_became_stricter_meanwhile_counts(bench: Bench) -> None:
    asked = await waiting(bench, "130")
    bench.policy = policy_with(quality={"min_hours_between_raises": 0}, autonomy=with_quorum(("1", 2, "manager")))
    assert (await bench.gate.approve(asked, ANA)).status == "waiting"
    bench.policy = policy_with(quality={"min_hours_between_raises": 0})
    assert (await bench.gate.approve(asked, ANA)).message.id == "gate.already_voted"  # and never laxer than what was asked
    assert (await bench.gate.approve(asked, EVA)).ok


async def test_one_no_ends_it_whatever_the_quorum(bench: Bench) -> None:
    bench.policy = policy_with(quality={"min_hours_between_raises": 0}, autonomy=with_quorum(("1", 2, "manager")))
    asked = await waiting(bench, "130")
    await bench.gate.approve(asked, ANA)
    assert (await bench.gate.reject(asked, EVA, "não")).ok
    assert (await bench.gate.approve(asked, RUI)).message.id == "gate.already_decided"
    assert bench.ads.calls == []


# -- batch ----------------------------------------------------------------------------------------------------------------


async def test_batch_is_judged_one_after_the_other(bench: Bench) -> None:
    bench.policy = policy_with(new_campaign_asks=True)
    asked = [(await bench.submit(publication(f"c{n}", "60"), f"k{n}")).action_id for n in range(3)]  # 105 each at worst
    prints = [publication(f"c{n}", "60").fingerprint() for n in range(3)]
    outcomes = await bench.gate.approve_many(zip(asked, prints, strict=True), ANA)
    assert [o.status for o in outcomes] == ["done", "done", "refused"]  # the third would make 315 of 300
    assert bench.ads.count("publish") == 2


async def test_batch_of_noes(bench: Bench) -> None:
    bench.policy = policy_with(new_campaign_asks=True)
    asked = [(await bench.submit(publication(f"c{n}", "20"), f"k{n}")).action_id for n in range(2)]
    outcomes = await bench.gate.reject_many([*asked, asked[0]], ANA, "depois")
    assert [o.ok for o in outcomes] == [True, True, False]


# -- time -----------------------------------------------------------------------------------------------------------------


async def test_extension_moves_the_end_up_to_its_limit(bench: Bench) -> None:
    asked = await waiting(bench)
    before = await bench.ticket(asked)
    assert (await bench.gate.extend(asked, ANA, 20)).ok
    after = await bench.ticket(asked)
    assert after.expires_at == before.expires_at + timedelta(hours=20)
    assert after.exposure is not None and before.exposure is not None
    assert after.exposure > before.exposure  # another local day may begin under it
    assert (await bench.gate.extend(asked, ANA, 24)).ok  # 4 + 20 + 24 = 48, the limit
    assert (await bench.gate.extend(asked, ANA, 1)).message.id == "gate.extend_limit"
    assert (await bench.gate.extend(asked, ANA, 0)).message.id == "gate.extend_hours"
    assert (await bench.gate.extend(asked, VERA, 1)).message.id == "gate.not_allowed"
    bench.clock.advance(timedelta(hours=47))
    assert await bench.gate.expire_due() == 0
    bench.clock.advance(timedelta(hours=1))
    assert (await bench.gate.extend(asked, ANA, 1)).message.id == "gate.expired"  # too late is too late
    assert (await bench.action(asked)).status == "expired"


# -- grace ----------------------------------------------------------------------------------------------------------------


def graceful(minutes: int = 30, **more: object) -> object:
    return policy_with(quality={"min_hours_between_raises": 0}, autonomy={"grace_minutes": minutes, **more})


@pytest.fixture
async def scheduled(bench: Bench) -> str:
    bench.policy = graceful()  # pyright: ignore[reportAttributeAccessIssue]
    await bench.running(amount="100")
    receipt = await bench.submit(budget("115"), "k1")
    assert receipt.status == "scheduled"
    assert bench.ads.calls == []
    assert await bench.held() == {"pia-meta": "held"}  # its room is taken while it waits
    return receipt.action_id


async def test_grace_ends_and_it_is_done(bench: Bench, scheduled: str) -> None:
    bench.clock.advance(timedelta(minutes=29, seconds=59))
    assert await bench.gate.release_due() == 0
    bench.clock.advance(timedelta(seconds=1))
    assert await bench.gate.release_due() == 1
    assert (await bench.action(scheduled)).status == "done"
    assert bench.ads.count("set_daily_budget") == 1
    assert await bench.gate.release_due() == 0
    assert await bench.rows("select count(*) from agreements") == [(0,)]  # nobody said anything


async def test_manager_stops_it_in_its_grace(bench: Bench, scheduled: str) -> None:
    outcome = await bench.gate.withdraw(scheduled, ANA, "não agora")
    assert (outcome.ok, outcome.status) == (True, "cancelled")
    bench.clock.advance(timedelta(hours=1))
    assert await bench.gate.release_due() == 0
    assert bench.ads.calls == []
    assert await bench.held() == {"pia-meta": "released"}
    assert await bench.rows("select decided, agreed from agreements") == [("withdrawn", False)]


async def test_manager_does_it_early(bench: Bench, scheduled: str) -> None:
    one, two = await asyncio.gather(bench.gate.act_early(scheduled, ANA), bench.beside().gate.act_early(scheduled, RUI))
    assert sorted([one.ok, two.ok]) == [False, True]
    assert bench.ads.count("set_daily_budget") == 1
    assert await bench.rows("select decided, agreed from agreements") == [("approved", True)]


async def test_longer_grace(bench: Bench, scheduled: str) -> None:
    assert (await bench.gate.extend(scheduled, ANA, 2)).ok
    bench.clock.advance(timedelta(hours=2))
    assert await bench.gate.release_due() == 0
    bench.clock.advance(timedelta(minutes=30))
    assert await bench.gate.release_due() == 1


async def test_after_its_grace_it_is_judged_anew(bench: Bench, scheduled: str) -> None:
    bench.ads.put("x-pia-meta", brl("90"), "by hand")  # from 90 it is 28 %
    bench.clock.advance(timedelta(minutes=30))
    assert await bench.gate.release_due() == 1
    assert (await bench.action(scheduled)).status == "waiting"
    assert (await bench.ticket(scheduled)).status == "pending"
    assert await bench.held() == {"pia-meta": "released"}
    assert bench.ads.calls == []
    assert (await bench.gate.approve(scheduled, ANA)).ok
    assert await bench.held() == {"pia-meta": "settled"}


async def test_kill_in_its_grace(bench: Bench, scheduled: str) -> None:
    await bench.gate.kill("platform", "meta", ANA, "parar")
    bench.clock.advance(timedelta(minutes=30))
    assert await bench.gate.release_due() == 1
    assert (await bench.action(scheduled)).status == "cancelled"
    assert bench.ads.calls == []


async def test_platform_down_at_the_end_of_the_grace_waits_on(bench: Bench, scheduled: str) -> None:
    bench.clock.advance(timedelta(minutes=30))
    bench.ads.fail["list_campaigns"] = [Unavailable("meta", "list_campaigns", "down")]
    assert await bench.gate.release_due() == 0
    assert (await bench.action(scheduled)).status == "scheduled"
    assert await bench.gate.release_due() == 1
    assert (await bench.action(scheduled)).status == "done"


async def test_room_of_a_scheduled_action_is_nobody_elses(bench: Bench, scheduled: str) -> None:
    refused = await bench.submit(publication("other", "60"), "k2")  # 115 * 1.75 + 60 * 1.75 > 300
    assert refused.status == "refused"
    assert "daily_cap" in {f.rule for f in refused.findings if f.answer == "refuse"}


async def test_people_and_emergencies_do_not_wait(bench: Bench) -> None:
    bench.policy = graceful()  # pyright: ignore[reportAttributeAccessIssue]
    await bench.running(amount="100")
    assert (await bench.submit(budget("110"), "k1", ANA)).status == "done"
    urgent = pause().model_copy(update={"emergency": True})
    assert (await bench.submit(urgent, "k2", Actor(kind="system", id="watchdog"))).status == "done"


# -- withdrawal -----------------------------------------------------------------------------------------------------------


async def test_proposer_takes_a_request_back(bench: Bench) -> None:
    asked = await waiting(bench, proposer=ANA)
    assert (await bench.gate.withdraw(asked, ANA, "engano")).ok
    assert (await bench.ticket(asked)).status == "withdrawn"
    assert (await bench.gate.approve(asked, RUI)).message.id == "gate.already_decided"
    assert (await bench.gate.withdraw(asked, ANA, "x")).message.id == "gate.already_decided"
    assert bench.ads.calls == []


async def test_ids_that_are_none(bench: Bench) -> None:
    for odd in ("3f0e7c1e-0000-4000-8000-000000000000", "", "x", "1; drop table actions"):
        assert (await bench.gate.approve(odd, ANA)).message.id == "gate.not_found"
        assert (await bench.gate.edit(odd, ANA, {}, "x")).message.id == "gate.not_found"
        assert (await bench.gate.extend(odd, ANA, 1)).message.id == "gate.not_found"
        assert (await bench.gate.act_early(odd, ANA)).message.id == "gate.not_found"
        assert (await bench.gate.withdraw(odd, ANA, "x")).message.id == "gate.not_found"
        assert (await bench.gate.undo(odd, ANA)).message.id == "gate.not_found"
        assert (await bench.gate.reject(odd, ANA, "x")).message.id == "gate.not_found"


# -- agreement ------------------------------------------------------------------------------------------------------------


async def test_what_people_ask_of_each_other_is_no_agreement_with_the_house(bench: Bench) -> None:
    machine = await waiting(bench, "130", "k1")
    person = await waiting(bench, "125", "k2", proposer=ANA)
    await bench.gate.approve(machine, EVA)
    await bench.gate.reject(person, EVA, "não")
    assert await bench.rows("select kind, decided, agreed from agreements") == [("campaign.set_budget", "approved", True)]
