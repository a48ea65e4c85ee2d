"""The offline model: an Agno Model that lets a brain answer. Labelled as such wherever Agno names the model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from agno.metrics import MessageMetrics
from agno.models.base import Model
from agno.models.message import Message
from agno.models.response import ModelResponse

from agents.offline.brain import Answer, Brain, Call, Said, parsed

OFFLINE_ID = "offline"
OFFLINE_PROVIDER = "Agente-CEO offline"


@dataclass
class OfflineModel(Model):
    """Deterministic and stateless: the answer is a function of the messages and the offered tools. No network."""

    id: str = OFFLINE_ID
    name: str | None = "Offline"
    provider: str | None = OFFLINE_PROVIDER
    brain: Brain | None = None
    max_turns: int = 8

    def __deepcopy__(self, memo: dict[int, Any]) -> OfflineModel:
        # Agno copies components per request. There is no state to part, only per-run attributes that a copy must not share.
        return OfflineModel(brain=self.brain, max_turns=self.max_turns)

    def _say(self, messages: Sequence[Message], tools: Any) -> ModelResponse:
        if self.brain is None:
            raise ValueError("offline model: no brain; build it with agents.models.build_model(spec, offline_brain=...)")
        said = tuple(heard(m) for m in messages)
        answer = self.brain.answer(said, offered(tools))
        if answer.calls and turns_taken(messages) + 1 >= self.max_turns:
            answer = Answer("Não consegui concluir com as consultas disponíveis. / I could not finish with the tools at hand.")
        calls = [
            # The id is derived from the position, not drawn, so that a replay is the same byte for byte
            {
                "id": f"offline-{len(messages)}-{i}",
                "type": "function",
                "function": {"name": c.name, "arguments": json.dumps(dict(c.args), ensure_ascii=False)},
            }
            for i, c in enumerate(answer.calls)
        ]
        metrics = MessageMetrics(input_tokens=0, output_tokens=0, total_tokens=0)
        return ModelResponse(role="assistant", content=answer.text or None, tool_calls=calls, response_usage=metrics)

    def invoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
        return self._say(kwargs.get("messages") or args[0], kwargs.get("tools"))

    async def ainvoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
        return self._say(kwargs.get("messages") or args[0], kwargs.get("tools"))

    def invoke_stream(self, *args: Any, **kwargs: Any) -> Iterator[ModelResponse]:
        yield self._say(kwargs.get("messages") or args[0], kwargs.get("tools"))

    async def ainvoke_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ModelResponse]:  # pyright: ignore[reportIncompatibleMethodOverride]
        yield self._say(kwargs.get("messages") or args[0], kwargs.get("tools"))

    def _parse_provider_response(self, response: Any, **kwargs: Any) -> ModelResponse:
        return response

    def _parse_provider_response_delta(self, response: Any) -> ModelResponse:
        return response


def heard(message: Message) -> Said:
    """An Agno message as a brain hears it; roles outside the four known ones count as system."""
    calls = tuple(_call(raw) for raw in message.tool_calls or [])
    role = {"user": "user", "assistant": "assistant", "model": "assistant", "tool": "tool"}.get(message.role, "system")
    return Said(role=role, text=message.get_content_string(), tool=message.tool_name, calls=calls)  # pyright: ignore[reportArgumentType]


def _call(raw: dict[str, Any]) -> Call:
    function = cast(dict[str, Any], raw.get("function") or {})
    args = parsed(str(function.get("arguments") or "{}"))
    return Call(str(function.get("name", "")), cast(dict[str, Any], args) if isinstance(args, dict) else {})


def offered(tools: Any) -> frozenset[str]:
    """Names of the tools in a request, whether Agno passes them as JSON schemas or as Function objects."""
    names: set[str] = set()
    for tool in cast(list[Any], tools or []):
        if isinstance(tool, dict):
            schema = cast(dict[str, Any], tool)
            name: Any = cast(dict[str, Any], schema.get("function", schema)).get("name")
        else:
            name = getattr(tool, "name", None)
        if isinstance(name, str):
            names.add(name)
    return frozenset(names)


def turns_taken(messages: Sequence[Message]) -> int:
    """Answers of the model since the user last spoke: how many turns this run has used."""
    taken = 0
    for message in reversed(messages):
        if message.role == "user":
            break
        taken += message.role in {"assistant", "model"}
    return taken
