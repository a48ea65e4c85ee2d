"""The dialogue regression suite (spec C13), offline: every turn runs through Agno, the kits and the conversation rules.

Beside each dialogue's own expectations these hold of every answer: no promise, at most two questions, nothing asked that is known.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents import offline_brain
from agents.models import build_model
from agents.offline.slots import asked_in
from agents.sdr import SdrReply, TurnInput, build_sdr, qualify_turn, rewrite
from knowledge.domain.conversation import Turn
from knowledge.domain.lead import LeadProfile
from knowledge.library import Library, catalogue_documents, fold
from tools.guardrails.promises import promised
from tools.kits.knowledge import KnowledgeKit
from tools.kits.lead import LeadKit

DIALOGUES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "dialogues.yaml").read_text(encoding="utf-8"))
KEYS = {"says", "not_says", "handoff", "opt_out", "temperature", "asks", "not_asks", "quote", "stored", "not_stored", "source"}
START = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def library() -> Library:
    shelf = Library(name="evals")
    asyncio.run(shelf.learn(catalogue_documents()))
    return shelf


class Conversation:
    def __init__(self, library: Library, lead_id: str) -> None:
        self.library, self.lead_id = library, lead_id
        self.profile = LeadProfile()
        self.history: tuple[Turn, ...] = ()

    def turn(self, texts: Sequence[str]) -> TurnInput:
        return TurnInput(
            lead_id=self.lead_id, company="Cozinha Forte", profile=self.profile, texts=tuple(texts), history=self.history
        )

    def sdr(self) -> Any:
        model = build_model("offline", offline_brain=offline_brain("sdr"))
        return build_sdr(model, LeadKit(self.profile), KnowledgeKit(self.library), company="Cozinha Forte")

    async def say(self, *texts: str) -> SdrReply:
        reply = await qualify_turn(self.sdr(), self.turn(texts))
        assert reply.status == "ok" and reply.text is not None, reply.error
        at = START + timedelta(minutes=len(self.history))
        self.history += tuple(Turn(author="lead", text=t, at=at) for t in texts)
        self.history += (Turn(author="bot", text=reply.text, at=at),)
        self.profile = reply.profile
        return reply


def always(reply: SdrReply) -> None:
    assert reply.text is not None
    assert promised(reply.text) == []
    assert reply.text.count("?") <= 2
    known = {slot for slot, value in reply.profile.model_dump().items() if value is not None}
    asked = set(asked_in(reply.text)) - ({"city"} if reply.profile.state is None else set())
    assert not asked & known, f"asks what is known: {asked & known}: {reply.text}"
    assert reply.model == "offline"


def check(reply: SdrReply, expect: dict[str, Any]) -> None:
    assert expect.keys() <= KEYS, f"unknown expectation: {expect.keys() - KEYS}"
    text = fold(reply.text or "")
    for words in expect.get("says", ()):
        assert words in text, f"{words!r} not in {text!r}"
    for words in expect.get("not_says", ()):
        assert words not in text, f"{words!r} in {text!r}"
    if "asks" in expect:
        assert set(expect["asks"]) <= set(asked_in(reply.text or "")) and (expect["asks"] or "?" not in text), text
    for slot in expect.get("not_asks", ()):
        assert slot not in asked_in(reply.text or ""), text
    for slot, value in expect.get("stored", {}).items():
        assert getattr(reply.profile, slot) == value
    for slot in expect.get("not_stored", ()):
        assert getattr(reply.profile, slot) is None
    for name in ("handoff", "opt_out"):
        if name in expect:
            assert getattr(reply, name) == expect[name]
    if "temperature" in expect:
        assert reply.qualification.temperature == expect["temperature"], reply.qualification
    if "quote" in expect:
        assert (reply.quote is not None) is expect["quote"]
    if "source" in expect:
        assert expect["source"] in reply.sources


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=[d["id"] for d in DIALOGUES])
async def test_dialogue(dialogue: dict[str, Any], library: Library) -> None:
    conversation = Conversation(library, dialogue["id"])
    for turn in dialogue["turns"]:
        reply = await conversation.say(turn["lead"])
        always(reply)
        check(reply, turn.get("expect", {}))


async def test_a_batch_of_messages_is_one_turn(library: Library) -> None:
    reply = await Conversation(library, "batch").say("oi", "meu nome é Nina", "preciso de 2 freezers", "pra semana que vem")
    always(reply)
    assert (reply.profile.name, reply.profile.need, reply.profile.volume) == ("Nina", "freezers", "2 freezers")


async def test_the_same_conversation_gives_the_same_words(library: Library) -> None:
    once = [(await Conversation(library, "same").say("oi, quanto custa um forno?")).text for _ in range(2)]
    assert once[0] == once[1]
    others = {(await Conversation(library, f"lead-{n}").say("oi, quanto custa um forno?")).text for n in range(12)}
    assert len(others) > 2  # varied between leads


async def test_a_refused_text_is_rewritten_without_the_promise(library: Library) -> None:
    conversation = Conversation(library, "refused")
    turn = conversation.turn(["em quanto tempo entrega o forno?"])
    reply = await rewrite(
        conversation.sdr(), turn, "Entregamos em 3 dias com 10% de desconto!", ["promete prazo", "promete desconto"]
    )
    always(reply)
    assert reply.text and "3 dias" not in reply.text and "gate_refusal" not in reply.text


async def test_the_notice_stands_below_the_first_answer_only(library: Library) -> None:
    conversation = Conversation(library, "notice")
    first = await qualify_turn(
        conversation.sdr(), conversation.turn(["oi"]).model_copy(update={"notice": "Privacidade: exemplo.com/p"})
    )
    assert first.text and first.text.endswith("Privacidade: exemplo.com/p")
    await conversation.say("oi")
    later = await qualify_turn(
        conversation.sdr(), conversation.turn(["Ana"]).model_copy(update={"notice": "Privacidade: exemplo.com/p"})
    )
    assert later.text and "Privacidade" not in later.text


async def test_a_failed_run_gives_no_text(library: Library) -> None:
    class Broken:
        def answer(self, messages: object, tools: object) -> Any:
            raise RuntimeError("model down: internal detail")

    conversation = Conversation(library, "broken")
    sdr = build_sdr(build_model("offline", offline_brain=Broken()), LeadKit(conversation.profile), company="Cozinha Forte")
    reply = await qualify_turn(sdr, conversation.turn(["oi"]))
    assert reply.text is None and reply.status == "failed" and reply.error
