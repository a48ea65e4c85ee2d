"""Managers decide about requests in the chat: each command in both languages, by the gate's own functions and words."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from knowledge.domain.money import Money
from runtime.cockpit.cards import card
from runtime.request_desk import RequestDesk, _before
from tests.chat.room import PIA, Room, ids_in, said, words
from tests.gate.house import ANA, RUI, VERA, brl, budget, pause, policy_with


@pytest.mark.parametrize(
    ("order", "yes"),
    [("aprove o pedido {id}", "sim"), ("approve {id}", "yes"), (f"aprove a {PIA}", "Confirmo."), ("approve", "confirm")],
)
async def test_a_yes_shows_what_is_at_stake_and_then_does_it(room: Room, order: str, yes: str) -> None:
    action_id = await room.asked("130")
    shown = await room.says(order.format(id=action_id[:4]))
    for essential in (action_id[:4], "100", "130", "30%", "20%", "52", ids_in(shown)[0]):
        assert essential in shown, (essential, shown)  # before, after, the change, the rule's limit, the worst case, the source
    assert await room.status(action_id) == "waiting" and room.bench.ads.calls == []
    answer = await room.says(yes)
    assert words("gate.done", "en" if yes in ("yes", "confirm") else "pt-BR") in answer and ids_in(answer) == [action_id]
    assert room.spends() == "130.00"
    assert (await room.bench.ticket(action_id)).decided_by == str(ANA)


async def test_numbers_and_dates_are_written_as_in_the_question(room: Room) -> None:
    await room.asked("130")
    assert "R$\xa0100,00 → R$\xa0130,00 (+30%)" in (pt := await room.says("aprove")) and "23/11/2026 12:00" in pt
    assert "R$100.00 → R$130.00 (+30%)" in (en := await room.says("approve")) and "23/11/2026, 12:00" in en


@pytest.mark.parametrize("order", ["rejeite {id} porque o estoque acabou", "reject {id} because o estoque acabou"])
async def test_a_no_with_its_reason_is_done_at_once(room: Room, order: str) -> None:
    action_id = await room.asked()
    answer = await room.says(order.format(id=action_id[:4]))
    assert "o estoque acabou" in answer and action_id in answer
    ticket = await room.bench.ticket(action_id)
    assert (ticket.status, ticket.decided_by, ticket.reason) == ("rejected", str(ANA), "o estoque acabou")


@pytest.mark.parametrize(
    ("order", "asks"),
    [("rejeite {id}", "Por quê?"), ("reject {id}", "Why?"), ("rejeite tudo", "Por quê?"), ("retire {id}", "Por quê?")],
)
async def test_a_missing_reason_is_asked_for_and_nothing_is_remembered(room: Room, order: str, asks: str) -> None:
    action_id = await room.asked()
    assert (await room.says(order.format(id=action_id[:4]))).startswith(asks)
    assert await room.offers() == []
    for word in ("sim", "o estoque acabou"):
        await room.says(word)
    assert await room.status(action_id) == "waiting"


@pytest.mark.parametrize("order", ["estenda {id} por 2 horas", "dê mais 2 horas", "extend {id} by 2 hours", "give it 2 more hours"])
async def test_more_time(room: Room, order: str) -> None:
    action_id = await room.asked()
    before = (await room.bench.ticket(action_id)).expires_at
    answer = await room.says(order.format(id=action_id[:4]))
    assert "14:00" in answer, answer
    assert (await room.bench.ticket(action_id)).expires_at == before + timedelta(hours=2)


async def test_more_time_without_a_number_is_asked_back_and_too_much_is_the_gates_no(room: Room) -> None:
    action_id = await room.asked()
    assert "quantas horas" in await room.says(f"estenda {action_id[:4]}")
    assert words("gate.extend_limit", limit=48) in await room.says(f"estenda {action_id[:4]} por 3 dias")


@pytest.mark.parametrize(
    ("order", "yes"),
    [
        ("edite {id} para R$ 110", "sim"),
        ("aprove com 110 reais", "sim"),
        ("edit {id} to $110", "yes"),
        ("approve it with 110", "yes"),
    ],
)
async def test_an_edit_shows_what_the_rules_say_and_then_does_it(room: Room, order: str, yes: str) -> None:
    action_id = await room.asked("130")
    shown = await room.says(order.format(id=action_id[:4]))
    assert "110" in shown and (words("gate.preview_allow", "pt-BR" if yes == "sim" else "en") in shown), shown
    assert await room.status(action_id) == "waiting"
    await room.says(yes)
    assert await room.status(action_id) == "replaced"
    assert room.spends() == "110.00"  # less than was asked, which the rules allow: done at once


async def test_an_edit_that_the_rules_refuse_is_told_and_asks_nothing(room: Room) -> None:
    action_id = await room.asked("130")
    shown = await room.says(f"edite {action_id[:4]} para 400")
    assert words("gate.preview_refuse") in shown and "50%" in shown and await room.offers() == []
    await room.says("sim")
    assert await room.status(action_id) == "waiting" and room.spends() == "100.00"


async def test_a_wider_edit_needs_somebody_else(room: Room) -> None:
    action_id = await room.asked("130")
    await room.says(f"edite {action_id[:4]} para 140")
    answer = await room.says("sim")
    assert words("gate.edited_wider") in answer
    (new,) = ids_in(answer)
    await room.says(f"aprove {new[:8]}")
    assert words("gate.own_edit") in await room.says("sim")
    await room.says(f"aprove {new[:8]}", RUI)
    await room.says("sim", RUI)
    assert room.spends() == "140.00"


@pytest.mark.parametrize(("order", "yes"), [("faça agora", "sim"), ("faça {id} agora", "sim"), ("do it now", "yes")])
async def test_a_scheduled_change_is_done_now(room: Room, order: str, yes: str) -> None:
    room.bench.policy = policy_with(autonomy={"grace_minutes": 60}, daily_cap=brl("2000"), weekly_cap=brl("9000"))
    await room.bench.running(amount="100")
    receipt = await room.bench.submit(budget("110"), "k1")
    assert receipt.status == "scheduled"
    shown = await room.says(order.format(id=receipt.action_id[:4]))
    assert "110" in shown and room.spends() == "100.00"
    await room.says(yes)
    assert room.spends() == "110.00"


@pytest.mark.parametrize("order", ["retire {id} porque a oferta mudou", "withdraw {id} because a oferta mudou"])
async def test_a_request_is_taken_back(room: Room, order: str) -> None:
    action_id = await room.asked(by=ANA)
    answer = await room.says(order.format(id=action_id[:4]))
    assert "a oferta mudou" in answer
    assert await room.status(action_id) == "cancelled"


@pytest.mark.parametrize(
    ("order", "yes"),
    [
        ("desfaça a última mudança", "sim"),
        ("desfaça {id}", "sim"),
        (f"desfaça a última mudança da {PIA}", "sim"),
        ("undo {id}", "yes"),
        (f"undo the last change of {PIA}", "yes"),
    ],
)
async def test_undo_shows_what_it_restores_and_then_does_it(room: Room, order: str, yes: str) -> None:
    await room.bench.running(amount="100")
    done = await room.bench.submit(budget("110"), "k1", ANA)
    shown = await room.says(order.format(id=done.action_id[:4]))
    assert "100" in shown and done.action_id in shown and room.spends() == "110.00"
    await room.says(yes)
    assert room.spends() == "100.00"


async def test_undo_of_what_was_changed_by_hand_says_why_not_and_asks_nothing(room: Room) -> None:
    await room.bench.running(amount="100")
    done = await room.bench.submit(budget("110"), "k1", ANA)
    room.bench.ads.put("x-pia-meta", brl("90"), "by hand")
    answer = await room.says(f"desfaça {done.action_id[:4]}")
    assert "Mudou depois na própria plataforma" in answer and "R$\xa0110,00" in answer and "R$\xa090,00" in answer
    assert await room.offers() == []


async def test_undo_of_what_was_changed_by_hand_between_question_and_yes_is_the_gates_no(room: Room) -> None:
    await room.bench.running(amount="100")
    done = await room.bench.submit(budget("110"), "k1", ANA)
    await room.says(f"desfaça {done.action_id[:4]}")
    room.bench.ads.put("x-pia-meta", brl("90"), "by hand")
    assert "Mudou depois na própria plataforma" in await room.says("sim")
    assert room.spends() == "90.00"


@pytest.mark.parametrize(("order", "yes"), [("desfaça tudo da última decisão", "sim"), ("undo everything of {id}", "yes")])
async def test_everything_of_one_cause_is_undone_together(room: Room, order: str, yes: str) -> None:
    for name in ("pia-meta", "faca-meta"):
        await room.bench.running(name, "100")
    other = await room.bench.submit(budget("105"), "k3", ANA, correlation_id="decide:0")
    room.bench.clock.advance(timedelta(minutes=1))
    one = await room.bench.submit(budget("110"), "k1", ANA, correlation_id="decide:1")
    two = await room.bench.submit(pause("faca-meta"), "k2", ANA, correlation_id="decide:1")
    assert {one.status, two.status, other.status} == {"done"}
    shown = await room.says(order.format(id=two.action_id[:4]))
    assert set(ids_in(shown)) == {one.action_id, two.action_id}, shown
    answer = await room.says(yes)
    assert len(ids_in(answer)) == 2 and answer.count(words("gate.done", "pt-BR" if yes == "sim" else "en")) == 2
    assert (room.spends(), room.bench.ads.campaigns["x-faca-meta"].delivery) == ("105.00", "active")


async def test_the_last_change_is_the_one_before_when_that_was_undone(room: Room) -> None:
    await room.bench.running(amount="100")
    for amount, key in (("105", "k1"), ("110", "k2")):
        assert (await room.bench.submit(budget(amount), key, ANA)).done
        room.bench.clock.advance(timedelta(minutes=1))
    for left in ("105.00", "100.00"):
        await room.says("desfaça a última mudança")
        await room.says("sim")
        assert room.spends() == left
    assert await room.says("desfaça a última mudança") == "Não há nenhuma mudança feita."


@pytest.mark.parametrize(("order", "yes"), [("aprove todos", "sim"), ("approve all", "yes")])
async def test_a_batch_is_listed_with_its_total_and_confirmed_once(room: Room, order: str, yes: str) -> None:
    ids = [await room.asked("130", "k1"), await room.asked("140", "k2", "faca-meta")]
    shown = await room.says(order)
    assert set(ids_in(shown)) == set(ids)
    assert "122,50" in shown or "122.50" in shown  # 52.50 and 70.00: the worst case of both
    assert {await room.status(one) for one in ids} == {"waiting"}
    assert set(ids_in(await room.says(yes))) == set(ids)
    assert (room.spends(), room.spends("faca-meta")) == ("130.00", "140.00")


async def test_a_batch_of_one_campaign_leaves_the_others(room: Room) -> None:
    mine, other = await room.asked("130", "k1"), await room.asked("140", "k2", "faca-meta")
    await room.says("aprova tudo da Pia faca")
    await room.says("sim")
    assert (await room.status(mine), await room.status(other)) == ("waiting", "done")


async def test_rejecting_several_is_confirmed_once(room: Room) -> None:
    ids = [await room.asked("130", "k1"), await room.asked("140", "k2", "faca-meta")]
    assert "o mês fechou" in await room.says("rejeite tudo porque o mês fechou")
    assert {await room.status(one) for one in ids} == {"waiting"}
    await room.says("sim")
    assert {await room.status(one) for one in ids} == {"rejected"}


@pytest.mark.parametrize(
    "order", ["aprove", "aprove a Pia", "rejeite a Pia porque sim", "estenda por 2 horas", "edite a Pia para 80", "approve"]
)
async def test_doubt_lists_the_candidates_and_does_nothing(room: Room, order: str) -> None:
    ids = [await room.asked("130", "k1"), await room.asked("140", "k2", "faca-meta")]
    answer = await room.says(order)
    assert set(ids_in(answer)) == set(ids)
    for one, amount in zip(ids, ("130", "140"), strict=True):
        assert one[:4] in answer and amount in answer and "12:00" in answer
    assert await room.offers() == []
    assert {await room.status(one) for one in ids} == {"waiting"}


async def test_the_last_and_the_unknown(room: Room) -> None:
    first = await room.asked("130", "k1")
    room.bench.clock.advance(timedelta(minutes=1))
    second = await room.asked("140", "k2", "faca-meta")
    assert ids_in(await room.says("aprove o último")) == [second]
    assert ids_in(await room.says("approve the last one of Pia pia-meta")) == [first]
    assert "Nenhum pedido em aberto combina com “ffff”" in await room.says("aprove ffff")
    assert await room.offers() == ["dropped", "dropped"]


async def test_without_requests_there_is_nothing_to_decide(room: Room) -> None:
    assert await room.says("aprove") == "Nenhuma aprovação pendente."
    assert await room.says("undo") == "No change has been done."
    assert (await room.says("do it now")).startswith("No change is in its grace")


async def test_a_viewer_gets_the_gates_own_no(room: Room) -> None:
    action_id = await room.asked()
    no = said(await room.bench.gate.approve(action_id, VERA))
    for order in (
        "aprove",
        "aprove todos",
        "rejeite porque sim",
        "rejeite",
        "estenda por 2 horas",
        "edite para 110",
        "retire: não",
        "sou admin, aprove",
    ):
        answer = await room.says(order, VERA)
        assert (no in answer) or order.startswith("sou"), (order, answer)
    assert no in await room.says("pare tudo", VERA)
    assert await room.offers() == [] and await room.status(action_id) == "waiting"
    assert await room.bench.rows("select 1 from kill_switches") == []


async def test_who_proposed_is_told_by_the_gate_at_once(room: Room) -> None:
    action_id = await room.asked(by=ANA)
    answer = await room.says("aprove")
    assert words("gate.own_proposal") in answer and action_id in answer
    assert await room.offers() == []
    await room.says("aprove", RUI)
    await room.says("sim", RUI)
    assert room.spends() == "130.00"


async def test_a_refusal_says_rule_number_limit_and_what_to_do(room: Room) -> None:
    action_id = await room.asked("130")
    await room.says("aprove")
    room.bench.policy = policy_with(daily_cap=brl("200"))
    answer = await room.says("sim")
    assert words("gate.refused_now") in answer and "R$\xa0200,00" in answer
    assert await room.status(action_id) == "refused"


async def test_stop_at_once_and_resume_after_a_yes(room: Room) -> None:
    await room.bench.running(amount="100")
    for order, target in (("pare tudo", None), ("pare tudo no TikTok", "tiktok"), (f"bloqueie a campanha {PIA}", "pia-meta")):
        await room.says(order)
        ((scope_target,),) = await room.bench.rows("select nullif(target, '') from kill_switches where lifted_at is null")
        assert scope_target == target
        shown = await room.says("retome")
        assert order in shown  # the reason is the manager's own words
        assert len(await room.bench.rows("select 1 from kill_switches where lifted_at is null")) == 1
        await room.says("sim")
        assert await room.bench.rows("select 1 from kill_switches where lifted_at is null") == []
    assert (await room.says("retome")).startswith("Nenhuma parada")


async def test_with_two_stops_the_one_to_lift_must_be_named(room: Room) -> None:
    await room.says("pare tudo no TikTok")
    await room.says("stop everything on meta")
    assert (await room.says("retome")).startswith("Há mais de uma parada")
    await room.says("desbloqueie o meta")
    await room.says("sim")
    assert await room.bench.rows("select target from kill_switches where lifted_at is null") == [("tiktok",)]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("pare tudo porque estou testando", "estou testando"),
        ("emergência, pare tudo: vazamento", "vazamento"),
        ("stop everything because stock is out", "stock is out"),
        (f"bloqueie a campanha {PIA} porque vazou", "vazou"),
        ("pare tudo no TikTok já que vazou", "vazou"),
        ("pare todos os gastos", "pare todos os gastos"),
    ],
)
async def test_a_stop_keeps_its_reason(room: Room, order: str, reason: str) -> None:
    await room.bench.running(amount="100")
    await room.says(order)
    assert await room.bench.rows("select reason from kill_switches where lifted_at is null") == [(reason,)]


async def test_a_reason_does_not_hide_the_request(room: Room) -> None:
    action_id = await room.asked("130")
    assert ids_in(await room.says(f"aprove {action_id[:4]} porque sim")) == [action_id]
    await room.says("sim, porque quero")
    assert room.spends() == "100.00"


async def test_a_pause_with_a_reason_is_a_pause(room: Room) -> None:
    await room.bench.running(amount="100")
    await room.says(f"pause a {PIA} porque o estoque acabou")
    assert room.bench.ads.campaigns["x-pia-meta"].delivery == "paused"


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (f"aumente a {PIA} para 1e5", "“1e5” não é um valor"),
        (f"raise {PIA} to 1e5", "“1e5” is no amount"),
        (f"suba a {PIA} para US$ 105", "“US$” é outra moeda"),
        (f"mude a {PIA} para 105 USD", "“USD” é outra moeda"),
        (f"aumente a {PIA} em US$ 5", "“US$” é outra moeda"),
        (f"aumente a {PIA} para 50 a 60", "“50 a 60” não é um valor"),
        (f"aumente a {PIA} para 5", "R$\xa05,00 seria menos, e você pediu um aumento"),
        (f"raise {PIA} to 95", "you asked for a raise"),
        (f"reduza a {PIA} para 105", "R$\xa0105,00 seria mais, e você pediu uma redução"),
        (f"lower {PIA} to 105", "you asked for a cut"),
    ],
)
async def test_an_amount_that_is_not_what_was_meant_changes_nothing_and_is_told(room: Room, order: str, said: str) -> None:
    await room.bench.running(amount="100")
    assert said in await room.says(order)
    assert room.spends() == "100.00" and await room.bench.rows("select 1 from actions where kind = 'campaign.set_budget'") == []


@pytest.mark.parametrize(
    ("order", "becomes"),
    [
        (f"aumente a {PIA} para R$ 110", "110.00"),
        (f"raise {PIA} to 110", "110.00"),
        (f"reduza a {PIA} para 90 reais por dia", "90.00"),
        (f"aumente a {PIA} em R$ 5", "105.00"),
        (f"mude o orçamento da {PIA} para 0,09 mil", "90.00"),
    ],
)
async def test_an_amount_that_fits_its_order_is_done(room: Room, order: str, becomes: str) -> None:
    await room.bench.running(amount="100")
    await room.says(order)
    assert room.spends() == becomes


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("edite {id} para US$ 110", "“US$” é outra moeda"),
        ("edite {id} para 1e2", "“1e2” não é um valor"),
        ("aprove com 110 a 120", "“110 a 120” não é um valor"),
        ("edit {id} to 110 dollars", "“dollars” is another currency"),
    ],
)
async def test_an_edit_with_an_amount_in_doubt_is_told_and_asks_nothing(room: Room, order: str, said: str) -> None:
    action_id = await room.asked("130")
    assert said in await room.says(order.format(id=action_id[:4]))
    assert await room.offers() == [] and await room.status(action_id) == "waiting"


async def test_a_no_says_what_refuses_and_not_what_only_asks(room: Room) -> None:
    action_id = await room.asked("130")
    shown = await room.says(f"edite {action_id[:4]} para 400")
    refusal = shown.split(words("gate.preview_refuse"))[1]
    assert "50%" in refusal and "Aprove, edite ou rejeite" not in refusal


@pytest.mark.parametrize(
    "order",
    [f"pause tudo menos a {PIA}", f"pause a {PIA} se o ROAS cair amanhã", f"pare de pausar a {PIA}", f"Pausar a {PIA}?",
     f"stop raising {PIA}", f"Aumentar o orçamento da {PIA} em 5%?", f"reduza em 5% o orçamento da {PIA} se vender"],
)  # fmt: skip
async def test_what_is_no_plain_order_changes_nothing_and_is_told(room: Room, order: str) -> None:
    await room.bench.running(amount="100")
    assert words("chat.not_plain", "en" if order.startswith("stop") else "pt-BR") in await room.says(order)
    assert (room.bench.ads.campaigns["x-pia-meta"].delivery, room.spends()) == ("active", "100.00")


async def test_an_exception_or_a_correction_decides_nothing(room: Room) -> None:
    ids = [await room.asked("130", "k1"), await room.asked("140", "k2", "faca-meta")]
    for order in (f"aprove tudo menos a {PIA}", "sim", f"rejeite {ids[0][:4]}, não, espera"):
        await room.says(order)
    assert {await room.status(one) for one in ids} == {"waiting"} and await room.offers() == []


@pytest.mark.parametrize(
    "order", ["bloqueie essa campanha", "bloqueie o pedido", "trave a última", "bloqueie", "block it", "freeze this campaign"]
)
async def test_a_freeze_of_nothing_named_is_asked_back(room: Room, order: str) -> None:
    assert await room.says(order) in (words("chat.which_campaign"), words("chat.which_campaign", "en"))
    assert await room.bench.rows("select 1 from kill_switches") == []


@pytest.mark.parametrize("order", ["bloqueie tudo", "block everything"])
async def test_a_freeze_of_everything_stops_everything(room: Room, order: str) -> None:
    await room.says(order)
    assert await room.bench.rows("select scope from kill_switches") == [("all",)]


async def test_a_share_to_go_to_is_no_share_to_take_off(room: Room) -> None:
    await room.bench.running(amount="100")
    await room.says(f"reduza o orçamento da {PIA} para 90%")
    assert room.spends() == "90.00"


async def test_a_scheduled_change_says_what_the_cockpits_card_says(room: Room) -> None:
    room.bench.policy = policy_with(autonomy={"grace_minutes": 60}, daily_cap=brl("2000"), weekly_cap=brl("9000"))
    room.house._policy = room.bench.policy
    await room.bench.running(amount="100")
    assert (await room.bench.submit(budget("110"), "k1")).status == "scheduled"
    desk = RequestDesk(room.house, ANA, "pt-BR")
    (row,) = await desk._reads().scheduled(9)
    shown = card(desk._speaker(), row, room.house.policy())
    assert f"{shown.worst_label}: {shown.worst}" in await room.says("faça agora") and "17,50" in shown.worst


def test_the_budget_before_is_the_ad_accounts_own() -> None:
    campaign = {"daily_budget": brl("57").model_dump(mode="json")}
    row: Any = SimpleNamespace(facts={"campaign": campaign})
    assert _before(row) == brl("57")
    campaign["native_budget"] = Money.of("10", "USD").model_dump(mode="json")
    assert _before(row) == Money.of("10", "USD")
