"""The way of a WhatsApp message, from the webhook to the answer, the desk and the CRM."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from runtime.sandbox import zapi_state
from tests.journeys.town import HOT, LEAD, Town


async def test_webhook_is_stored_once_and_answered_at_once(town: Town) -> None:
    began = time.monotonic()
    assert await town.says("Oi, bom dia") == 202
    assert time.monotonic() - began < 2
    assert await town.one("select count(*) from webhook_events") == 1
    assert town.answers() == []  # the answer comes later, by itself
    await town.pass_time(minutes=2)
    assert len(town.answers()) == 1
    await town.clean()


async def test_five_quick_messages_are_one_turn_with_one_answer(town: Town) -> None:
    for words in ("Oi", "tudo bem?", "aqui é a Carla", "da Padaria Trigo Bom", "preciso de 3 fornos combinados"):
        assert await town.says(words) == 202
        await town.pass_time(seconds=3)
    await town.pass_time(minutes=2)
    assert len(town.answers()) == 1
    assert await town.one("select count(*) from dbos.workflow_status where name = 'turn'") == 1
    assert await town.rows("select name, company, need from leads") == [("Carla", "Padaria Trigo Bom", "fornos combinados")]
    # The desk has it all, once and in order.
    shown = [(m["type"], m["content"]) for m in town.desk()["messages"] if m["type"] != "activity"]
    assert [way for way, _ in shown] == ["incoming"] * 5 + ["outgoing"]
    assert [words for _, words in shown] == [words for _, words in town.chat()]
    await town.clean()


async def test_lead_who_never_stops_writing_is_answered_all_the_same(town: Town) -> None:
    for n in range(8):
        await town.says(f"mais um detalhe número {n}")
        await town.pass_time(seconds=6)
    assert len(town.answers()) >= 1  # 30 seconds at most, however long it goes on
    await town.pass_time(minutes=2)
    handled = await town.rows("select count(*) from messages where direction = 'in' and handled_at is null")
    assert handled == [(0,)]


async def test_hot_lead_reaches_the_crm_once_and_the_bot_falls_silent(town: Town) -> None:
    for words in HOT:
        await town.says(words)
        await town.pass_time(minutes=2)
    assert len(town.answers()) == len(HOT)
    crm = town.book("crm")
    assert {kind: len(crm[kind]) for kind in ("companies", "persons", "deals", "notes")} == {
        "companies": 1, "persons": 1, "deals": 1, "notes": 1,
    }  # fmt: skip
    ((temperature, deal),) = await town.rows("select temperature, oportunidade_pipe_id from leads")
    assert temperature == "hot"
    assert deal in {str(d["id"]) for d in crm["deals"]}
    assert "11.222.333/0001-81" in str(crm["notes"])
    assert "Não informado" in str(crm["notes"])  # the e-mail was never told
    desk = town.desk()
    assert desk["status"] == "open"
    assert len(town.notes()) == 1
    assert "Carla" in town.notes()[0] and "fornos combinados" in town.notes()[0]
    assert await town.rows("select owner from conversations") == [("human",)]
    await town.says("Vocês entregam em Curitiba?")
    await town.pass_time(minutes=5)
    assert len(town.answers()) == len(HOT)
    assert town.desk()["messages"][-1]["content"] == "Vocês entregam em Curitiba?"
    await town.clean()


async def test_same_webhook_three_times_is_one_message(town: Town) -> None:
    at = town.stage.clock.now()
    answered = [await town.says("Preciso de um orçamento", message_id="3EB0REPEATED", at=at) for _ in range(2)]
    await town.pass_time(minutes=2)
    answered.append(await town.says("Preciso de um orçamento", message_id="3EB0REPEATED", at=at))
    assert answered == [202, 200, 200]
    # A redelivery with other bytes is another delivery of the same event.
    assert await town.says("Preciso de um orçamento", message_id="3EB0REPEATED", at=at, forwarded=True) == 202
    await town.pass_time(minutes=2)
    assert await town.one("select count(*) from messages where direction = 'in'") == 1
    assert await town.one("select count(*) from webhook_events where encode(raw, 'escape') like '%3EB0REPEATED%'") == 2
    assert len(town.answers()) == 1
    assert [m["content"] for m in town.desk()["messages"] if m["type"] == "incoming"] == ["Preciso de um orçamento"]
    await town.clean()


async def test_burst_out_of_order_is_read_in_the_order_of_writing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The correction arrives before what it corrects."""
    import agents.sdr

    read: list[tuple[str, ...]] = []
    qualify = agents.sdr.qualify_turn

    async def watched(sdr: Any, turn: Any) -> Any:
        read.append(turn.texts)
        return await qualify(sdr, turn)

    monkeypatch.setattr(agents.sdr, "qualify_turn", watched)
    now = town.stage.clock.now()
    for words, offset in (("são 8 fornos", 4), ("aqui é a Carla", 1), ("digo, 5 fornos", 6), ("Oi", 0)):
        await town.says(words, at=now + timedelta(seconds=offset))
    await town.pass_time(minutes=2)
    assert read == [("Oi", "aqui é a Carla", "são 8 fornos", "digo, 5 fornos")]
    assert await town.one("select count(*) from messages where direction = 'in'") == 4
    assert len(town.answers()) == 1
    await town.clean()


async def test_what_came_while_the_bot_was_answering_is_its_next_turn(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    import agents.sdr

    read: list[tuple[tuple[str, ...], list[str]]] = []
    qualify = agents.sdr.qualify_turn

    async def interrupted(sdr: Any, turn: Any) -> Any:
        read.append((turn.texts, [t.text for t in turn.history]))
        if len(read) == 1:
            await town.says("e somos de Curitiba/PR")
        return await qualify(sdr, turn)

    monkeypatch.setattr(agents.sdr, "qualify_turn", interrupted)
    await town.says("Oi, aqui é a Carla")
    await town.pass_time(minutes=3)
    first = town.answers()[0]
    assert read == [
        (("Oi, aqui é a Carla",), []),
        (("e somos de Curitiba/PR",), ["Oi, aqui é a Carla", first]),
    ]
    assert len(town.answers()) == 2
    await town.clean()


async def test_reordered_and_doubled_webhooks_of_a_whole_dialogue(town: Town) -> None:
    twin = zapi_state.of(town.world)
    twin.duplicate, twin.reorder = 0.5, 0.3
    for words in HOT:
        await town.says(words)
        await town.pass_time(minutes=4)
    await town.pass_time(minutes=5)
    book = town.book("whatsapp")["messages"]
    assert await town.one("select count(*) from messages where direction = 'in'") == book["in"] == len(HOT)
    assert await town.one("select count(*) from messages where direction = 'out'") == book["out"]
    assert {k: len(v) for k, v in town.book("crm").items() if k in ("companies", "persons", "deals", "notes")} == {
        "companies": 1, "persons": 1, "deals": 1, "notes": 1,
    }  # fmt: skip
    await town.clean()


async def test_two_leads_do_not_wait_for_each_other(town: Town) -> None:
    other = "+5541987650002"
    await town.says("Oi, aqui é a Carla")
    await town.says("Olá, preciso de fornos", phone=other)
    await town.pass_time(minutes=2)
    assert len(town.answers(LEAD)) == len(town.answers(other)) == 1
    assert await town.one("select count(*) from leads") == 2
    await town.clean()
