"""The OpenAI-compatible twin, driven by the openai package and by Agno's OpenAILike."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from conversation_support import Twins, running

from runtime.sandbox import openai_api, openai_script, speech

FIELDS = ("name", "company", "cnpj", "need", "volume", "urgency", "city", "uf", "email")
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "update_lead",
            "description": "Records what the lead said.",
            "parameters": {"type": "object", "properties": {n: {"type": "string"} for n in FIELDS}},
        },
    }
]


@pytest.fixture
async def twins() -> AsyncIterator[Twins]:
    async with running() as made:
        yield made


@pytest.fixture
async def client(twins: Twins) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=twins.url + "/openai/v1", api_key=openai_api.API_KEY, max_retries=0) as made:
        yield made


async def test_the_key_is_demanded(twins: Twins) -> None:
    async with openai.AsyncOpenAI(base_url=twins.url + "/openai/v1", api_key="no", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_a_tool_is_called_with_the_slots_and_then_the_next_one_is_asked(client: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Qualifique o lead."},
        {"role": "user", "content": "Preciso de 6 fornos combinado, sou da Padaria Mirante, 12.abc.345/01de-35, em Bom Jesus"},
    ]
    first = await client.chat.completions.create(model="sandbox-chat", messages=messages, tools=TOOLS)
    assert first.choices[0].finish_reason == "tool_calls"
    (call,) = first.choices[0].message.tool_calls or []
    arguments = json.loads(call.function.arguments)
    assert arguments["cnpj"] == "12ABC34501DE35" and arguments["company"] == "Padaria Mirante"
    assert arguments["city"] == "Bom Jesus" and "uf" not in arguments, "five towns have this name"
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "ok"}]
    second = await client.chat.completions.create(model="sandbox-chat", messages=messages, tools=TOOLS)
    assert second.choices[0].message.tool_calls is None and "UF" in (second.choices[0].message.content or "")


async def test_streams_add_up_to_the_plain_answer(client: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "oi, meu email é rute@x.example"}]
    plain = await client.chat.completions.create(model="sandbox-chat", messages=messages, tools=TOOLS)
    wanted = (plain.choices[0].message.tool_calls or [])[0].function.arguments
    got, finish, usage = "", None, None
    options: Any = {"include_usage": True}
    async for chunk in await client.chat.completions.create(
        model="sandbox-chat", messages=messages, tools=TOOLS, stream=True, stream_options=options
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            got += "".join((c.function.arguments or "") for c in choice.delta.tool_calls or [] if c.function)
    assert got == wanted and finish == "tool_calls" and usage is not None
    text = ""
    async for chunk in await client.chat.completions.create(model="sandbox-chat", messages=messages, stream=True):
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
    assert text.endswith("?")


async def test_tool_choice_and_structured_answers(client: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "bom dia"}]
    forced = await client.chat.completions.create(model="sandbox-chat", messages=messages, tools=TOOLS, tool_choice="required")
    assert forced.choices[0].message.tool_calls
    none = await client.chat.completions.create(
        model="sandbox-chat", messages=[{"role": "user", "content": "a@b.example"}], tools=TOOLS, tool_choice="none"
    )
    assert none.choices[0].message.tool_calls is None
    schema = {"type": "object", "properties": {"email": {"type": "string"}, "ok": {"type": "boolean"}}, "required": ["email", "ok"]}
    shape: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    made = await client.chat.completions.create(
        model="sandbox-chat", messages=[{"role": "user", "content": "rute@x.example"}], response_format=shape
    )
    assert json.loads(made.choices[0].message.content or "") == {"email": "rute@x.example", "ok": False}


async def test_what_the_real_service_refuses_is_refused(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="gpt-99", messages=[{"role": "user", "content": "oi"}])
    with pytest.raises(openai.BadRequestError, match="Unrecognized"):
        await client.chat.completions.create(
            model="sandbox-chat", messages=[{"role": "user", "content": "oi"}], extra_body={"max_token": 3}
        )
    orphan: list[Any] = [{"role": "user", "content": "oi"}, {"role": "tool", "tool_call_id": "c", "content": "x"}]
    with pytest.raises(openai.BadRequestError, match="tool_calls"):
        await client.chat.completions.create(model="sandbox-chat", messages=orphan)


async def test_embeddings_are_deterministic_and_near_for_common_words(client: openai.AsyncOpenAI) -> None:
    texts = ["forno combinado a gás", "fornos combinados elétricos", "seguro de vida"]
    rows = (await client.embeddings.create(model="text-embedding-3-small", input=texts)).data
    a, b, c = (row.embedding for row in rows)
    assert len(a) == openai_api.DIMENSIONS
    near, far = (sum(x * y for x, y in zip(a, other, strict=True)) for other in (b, c))
    assert near > 0.3 > far
    again = (await client.embeddings.create(model="text-embedding-3-small", input=texts[0])).data[0].embedding
    assert again == pytest.approx(a)


async def test_a_voice_note_is_heard_and_bad_names_are_refused(client: openai.AsyncOpenAI) -> None:
    note = speech.voice_note("Olá, preciso de uma coifa em Maringá", 3)
    heard = await client.audio.transcriptions.create(model="gpt-transcribe", file=("voice.ogg", note, "audio/ogg"))
    assert heard.text == "Olá, preciso de uma coifa em Maringá"
    for name in ("voice.opus", "voice.oga", "voice"):
        with pytest.raises(openai.BadRequestError):
            await client.audio.transcriptions.create(model="gpt-transcribe", file=(name, note, "audio/ogg"))
    with pytest.raises(openai.BadRequestError):
        await client.audio.transcriptions.create(model="gpt-transcribe", file=("voice.ogg", b"<html>", "audio/ogg"))


def test_a_voice_note_is_a_sound_ogg_opus_container() -> None:
    note = speech.voice_note("x" * 700, 7.3)
    assert note[28:36] == b"OpusHead"
    last = note.rfind(b"OggS")
    granule = int.from_bytes(note[last + 6 : last + 14], "little")
    assert (granule - 312) / 48000 == pytest.approx(7.3, abs=0.02)
    assert speech.words(note) == "x" * 700 and speech.words(b"ID3 SANDBOX_TEXT=no") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fica em São José dos Campos/SP", {"city": "São José dos Campos", "uf": "SP"}),
        ("moro em Rio Claro", {"city": "Rio Claro"}),
        ("PB", {"uf": "PB"}),
        ("segue 64.796.284 0001-57", {"cnpj": "64796284000157"}),
        ("quero 3 fritadeiras urgente", {"need": "fritadeira", "volume": "3", "urgency": "quero 3 fritadeiras urgente"}),
        ("quanto custa?", {}),
    ],
)
def test_slots(text: str, expected: dict[str, str]) -> None:
    assert openai_script.slots(text) == expected


async def test_an_agno_agent_qualifies_a_lead_through_it(twins: Twins) -> None:
    from agno.agent import Agent
    from agno.models.openai.like import OpenAILike

    record: dict[str, str] = {}

    def update_lead(company: str = "", cnpj: str = "", email: str = "", city: str = "", uf: str = "") -> str:
        """Records what the lead said."""
        record.update({k: v for k, v in locals().items() if isinstance(v, str) and v})
        return "ok"

    agent = Agent(
        model=OpenAILike(id="sandbox-chat", base_url=twins.url + "/openai/v1", api_key=openai_api.API_KEY),
        tools=[update_lead],
        telemetry=False,
    )
    answer = await agent.arun("Oi, sou da Padaria Mirante, CNPJ 11.222.333/0001-81, em Maringá. rute@mirante.example")
    assert record == {
        "company": "Padaria Mirante",
        "cnpj": "11222333000181",
        "email": "rute@mirante.example",
        "city": "Maringá",
        "uf": "PR",
    }
    assert "equipamento" in str(answer.content)
