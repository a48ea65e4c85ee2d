"""A yes in the chat: bound to what was shown, to the person, to the conversation, to the next message, to a time, and to one use."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.chat.room import Room, words
from tests.gate.house import ANA, RUI, brl

NOTHING = "Não há nada seu esperando um sim aqui"


async def test_a_yes_out_of_the_blue_does_nothing(room: Room) -> None:
    action_id = await room.asked()
    assert (await room.says("sim")).startswith(NOTHING)
    assert await room.status(action_id) == "waiting"


async def test_another_persons_yes_does_nothing_and_spends_nobodys_question(room: Room) -> None:
    action_id = await room.asked()
    await room.says("aprove", ANA)
    assert (await room.says("sim", RUI)).startswith(NOTHING)
    assert await room.status(action_id) == "waiting" and await room.offers() == ["open"]
    await room.says("sim", ANA)
    assert await room.status(action_id) == "done"


async def test_a_yes_in_another_conversation_does_nothing(room: Room) -> None:
    action_id = await room.asked()
    await room.says("aprove", conversation="one")
    assert (await room.says("sim", conversation="two")).startswith(NOTHING)
    assert await room.status(action_id) == "waiting"


async def test_a_yes_after_its_time_does_nothing(room: Room) -> None:
    action_id = await room.asked()
    await room.says("aprove")
    room.bench.clock.advance(timedelta(minutes=10))
    assert (await room.says("sim")).startswith(NOTHING)
    assert await room.status(action_id) == "waiting"
    await room.says("aprove")
    room.bench.clock.advance(timedelta(minutes=10) - timedelta(microseconds=1))
    await room.says("sim")
    assert await room.status(action_id) == "done"


async def test_a_yes_counts_once_even_when_two_arrive_together(room: Room) -> None:
    await room.asked()
    await room.says("aprove")
    answers = await asyncio.gather(*(room.says("sim") for _ in range(3)))
    assert sum(words("gate.done") in answer for answer in answers) == 1
    assert sum(answer.startswith(NOTHING) for answer in answers) == 2
    assert room.bench.ads.count("set_daily_budget") == 1


@pytest.mark.parametrize(
    "between", ["não", "no", "quanto gastamos hoje?", "sim, mas antes me diga o ROAS", "cancela", "Confirmado?", "confirm?"]
)
async def test_any_other_message_gives_the_question_up(room: Room, between: str) -> None:
    action_id = await room.asked()
    await room.says("aprove")
    await room.says(between)
    assert await room.offers() == ["dropped"]
    assert (await room.says("sim")).startswith(NOTHING)
    assert await room.status(action_id) == "waiting"


async def test_a_new_question_takes_the_place_of_the_old(room: Room) -> None:
    one, two = await room.asked("130", "k1"), await room.asked("140", "k2", "faca-meta")
    await room.says(f"aprove {one[:4]}")
    await room.says(f"aprove {two[:4]}")
    await room.says("sim")
    assert (await room.status(one), await room.status(two)) == ("waiting", "done")


async def test_money_that_moved_between_question_and_yes_is_the_gates_answer(room: Room) -> None:
    action_id = await room.asked("130")
    await room.says("aprove")
    room.bench.ads.put("x-pia-meta", brl("90"), "by hand")
    answer = await room.says("sim")
    assert words("gate.drifted") in answer
    assert room.spends() == "90.00" and await room.status(action_id) == "waiting"
    assert "R$\xa090,00 → R$\xa0130,00" in await room.says("aprove")
    await room.says("sim")
    assert room.spends() == "130.00"


async def test_figures_that_somebody_else_refreshed_are_shown_before_a_yes_counts(room: Room) -> None:
    action_id = await room.asked("130")
    await room.says("aprove", ANA)
    room.bench.ads.put("x-pia-meta", brl("90"), "by hand")
    assert (await room.bench.gate.approve(action_id, RUI)).message.id == "gate.drifted"  # the request says 90 by now; Ana saw 100
    assert "Mudou desde que foi mostrado aqui" in await room.says("sim", ANA)
    assert room.spends() == "90.00" and await room.status(action_id) == "waiting"


async def test_a_request_that_was_edited_meanwhile_is_not_approved_in_its_new_form(room: Room) -> None:
    action_id = await room.asked("130")
    await room.says("aprove", ANA)
    edited = await room.bench.gate.edit(action_id, RUI, {"daily_budget": brl("140").model_dump(mode="json")}, "mais")
    assert edited.ok
    assert words("gate.already_decided", status="replaced") in await room.says("sim", ANA)
    assert await room.status(edited.action_id or "") == "waiting" and room.spends() == "100.00"


async def test_a_role_that_was_taken_away_meanwhile_no_longer_counts(room: Room) -> None:
    action_id = await room.asked()
    await room.says("aprove", ANA)
    answer = await room.says("sim", ANA.model_copy(update={"role": "viewer"}))
    assert words("gate.not_allowed", actor=str(ANA)) in answer
    assert await room.status(action_id) == "waiting"


async def test_what_was_shown_is_kept_with_its_end(room: Room) -> None:
    await room.asked("130")
    shown = await room.says("aprove")
    await room.says("sim")
    ((person, kept, ending),) = await room.bench.rows("select person, shown, ending from chat_offers")
    assert (person, ending) == (str(ANA), "confirmed") and kept in shown
