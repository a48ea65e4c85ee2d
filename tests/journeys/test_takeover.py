"""A person and the bot in one conversation: never both; and who asked for silence gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from knowledge.domain.action import SendMessage
from knowledge.domain.books import Proposal
from knowledge.domain.message import Message
from runtime.jobs.turns import SDR
from tests.journeys.town import LEAD, Town


async def until(what: Callable[[], Awaitable[Any]], seconds: float = 15) -> Any:
    """The first true answer; fails when there is none in time."""
    async with asyncio.timeout(seconds):
        while not (seen := await what()):  # noqa: ASYNC110 - what is awaited is elsewhere, over HTTP: no event
            await asyncio.sleep(0.02)
    return seen


@pytest.fixture
def slow_sdr(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """(the bot is thinking, let it speak)"""
    import agents.sdr

    thinking, speak = asyncio.Event(), asyncio.Event()
    qualify = agents.sdr.qualify_turn

    async def slowly(sdr: Any, turn: Any) -> Any:
        thinking.set()
        await speak.wait()
        return await qualify(sdr, turn)

    monkeypatch.setattr(agents.sdr, "qualify_turn", slowly)
    return thinking, speak


async def test_takeover_while_the_bot_is_thinking(town: Town, slow_sdr: tuple[asyncio.Event, asyncio.Event]) -> None:
    thinking, speak = slow_sdr
    await town.says("Oi, aqui é a Carla, preciso de 3 fornos")
    passing = asyncio.create_task(town.pass_time(minutes=1))
    await asyncio.wait_for(thinking.wait(), 20)
    await town.writes("Oi Carla, aqui é o Bruno, já te ajudo")
    await until(lambda: town.rows("select 1 from conversations where owner = 'human'"))
    speak.set()
    await passing
    await town.pass_time(minutes=5)
    assert town.answers() == ["Oi Carla, aqui é o Bruno, já te ajudo"]
    refused = await town.rows("select status from actions where kind = 'message.send' and proposer_id = 'sdr'")
    assert [r[0] for r in refused] in (["refused"], ["cancelled"])
    assert await town.rows("select author, body, status from messages where direction = 'out'") == [
        ("human", "Oi Carla, aqui é o Bruno, já te ajudo", "delivered")
    ]

    await town.says("obrigada!")
    await town.pass_time(minutes=5)
    assert len(town.answers()) == 1  # a person has it

    await town.writes("/resumo", private=True)
    await town.pass_time(seconds=10)
    assert "Carla" in town.notes()[-1]
    await town.writes("Já passei tudo, qualquer coisa me chame")
    await town.writes("/bot on", private=True)
    await town.pass_time(minutes=2)
    assert len(town.answers()) == 2  # nothing is left to answer: the person has spoken last
    assert town.desk()["status"] == "pending"
    await town.says("Vocês são de qual cidade?")
    await town.pass_time(minutes=2)
    assert len(town.answers()) == 3  # the bot again

    await town.writes("/bot off")  # not even as a private note
    await town.pass_time(seconds=10)
    assert town.desk()["status"] == "open"
    await town.says("Alô?")
    await town.pass_time(minutes=5)
    assert len(town.answers()) == 3
    await town.writes("/bot on", private=True)
    await town.pass_time(minutes=2)
    assert len(town.answers()) == 4  # this one nobody had answered
    assert all(not words.startswith("/") for words in town.answers())
    await town.clean()


async def test_person_who_writes_on_the_phone_itself_takes_over_too(town: Town) -> None:
    await town.says("Oi, aqui é a Carla")
    await town.says("Oi Carla, é o Bruno", direction="phone")
    await town.pass_time(minutes=3)
    assert town.answers() == []
    assert [m["content"] for m in town.desk()["messages"] if m["type"] == "outgoing"] == ["Oi Carla, é o Bruno"]
    assert town.desk()["status"] == "open"
    await town.clean()


async def test_two_quick_lines_to_a_person_both_reach_the_desk(town: Town) -> None:
    await town.says("Oi, aqui é a Carla")
    await town.pass_time(minutes=1)
    await town.writes(assign=True, status="open")
    await town.pass_time(seconds=5)
    lines = [f"linha {n}" for n in range(6)]
    await asyncio.gather(*(town.says(line) for line in lines))
    await town.pass_time(minutes=1)
    shown = [m["content"] for m in town.desk()["messages"] if m["type"] == "incoming"]
    assert sorted(shown[1:]) == lines
    stored = await town.rows("select body from messages where direction = 'in' order by seq")
    assert [r[0] for r in stored] == shown  # in one order everywhere
    await town.clean()


async def test_desk_outage_loses_no_line(town: Town) -> None:
    fault = town.fault(r"POST /chatwoot/.*/messages", "error_500", times=3)
    await town.says("Oi, aqui é a Carla")
    await town.pass_time(minutes=1)
    assert len(town.answers()) == 1  # the lead does not wait for the desk
    assert fault.times == 0
    from runtime.jobs import care

    await care.reconcile(town.house, town.stage.clock.now())
    await town.says("preciso de 3 fornos")
    await town.pass_time(minutes=1)
    shown = [m["content"] for m in town.desk()["messages"] if m["type"] != "activity"]
    assert shown == [words for _, words in town.chat()]
    await town.clean()


async def test_opt_out_is_confirmed_once_and_then_there_is_silence(town: Town) -> None:
    await town.says("Oi, aqui é a Carla")
    await town.pass_time(minutes=1)
    await town.says("PARAR")
    await town.pass_time(minutes=2)
    assert len(town.answers()) == 2
    await town.says("ok")
    await town.pass_time(minutes=5)
    assert len(town.answers()) == 2
    ((lead, conversation),) = await town.rows("select l.id, c.id from conversations c join leads l on l.id = c.lead_id")
    assert await town.one("select count(*) from leads where opted_out_at is not null") == 1
    assert await town.one("select count(*) from suppressions where scope = 'marketing'") >= 1
    async with town.house.db.transaction() as tx:
        await tx.conversations.set_owner(str(conversation), "bot", reason="test", at=town.stage.clock.now())
        talk = await tx.conversations.get(str(conversation))
    send = SendMessage(conversation_id=str(conversation), lead_id=str(lead), text="Temos novidades", epoch=talk.epoch)
    receipt = await town.house.gate.submit(Proposal(action=send, key="again", proposer=SDR, why=Message(id="why.answer")))
    assert (receipt.status, [f.rule for f in receipt.findings]) == ("refused", ["opt_out"])
    assert len(town.answers(LEAD)) == 2


async def test_who_leaves_while_a_person_has_the_conversation_has_left(town: Town) -> None:
    await town.says("Oi, aqui é a Carla")
    await town.pass_time(minutes=1)
    await town.writes("Oi Carla, aqui é o Bruno")
    await town.pass_time(minutes=1)
    said = len(town.answers())
    await town.says("PARAR")
    await town.pass_time(minutes=2)
    assert await town.one("select count(*) from leads where opted_out_at is not null") == 1
    assert await town.one("select count(*) from suppressions where scope = 'marketing'") >= 1
    assert len(town.answers()) == said, "the bot does not write over a person, not even to confirm"
    assert [note for note in town.notes() if "não receber mais mensagens" in note] != [], "the salesperson is told"
    await town.writes("Tudo certo, tirei você da lista")  # a person may still answer
    await town.writes("/bot on", private=True)
    await town.pass_time(minutes=1)
    await town.says("ok")
    await town.pass_time(minutes=5)
    assert town.answers()[said:] == ["Tudo certo, tirei você da lista"]
    assert await town.one("select count(*) from messages where author = 'bot' and direction = 'out'") == 1


@pytest.mark.parametrize("kind", ["commit_then_500", "commit_then_drop"])
async def test_text_whose_answer_is_lost_is_not_sent_again(town: Town, kind: str) -> None:
    fault = town.fault(r"POST .*/send-text", kind)
    await town.says("Oi, aqui é a Carla")
    await town.pass_time(minutes=1)
    assert fault.times == 0
    assert len(town.answers()) == 1
    from runtime.jobs import care

    for _ in range(3):
        await town.pass_time(minutes=2)
        await care.reconcile(town.house, town.stage.clock.now())
    assert len(town.answers()) == 1
    # The line's own echo told us that it had arrived: nothing stays in doubt, and the transcript has it.
    assert await town.rows("select status from actions where kind = 'message.send'") == [("done",)]
    assert await town.rows("select body from messages where direction = 'out'") == [(town.answers()[0],)]
    await town.says("preciso de 3 fornos")
    await town.pass_time(minutes=1)
    assert len(town.answers()) == 2
    await town.clean()
