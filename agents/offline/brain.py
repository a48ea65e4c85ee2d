"""What a brain sees and says. Free of agno, so that brains are plain functions that table tests can call."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast


@dataclass(frozen=True)
class Call:
    """A tool call: the tool's name and JSON-able arguments."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Said:
    """One message of the run. A tool's answer carries the tool's name; an assistant's message may carry calls."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    tool: str | None = None
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What the brain says next: tool calls (the run goes on) or a text (the run ends)."""

    text: str = ""
    calls: tuple[Call, ...] = ()


class Brain(Protocol):
    """Deterministic: the same messages and tools always give the same answer."""

    def answer(self, messages: Sequence[Said], tools: frozenset[str]) -> Answer: ...


def since_user(messages: Sequence[Said]) -> tuple[Sequence[Said], str, Sequence[Said]]:
    """(before, the user's last words, what happened since). Consecutive user messages at the end are one turn."""
    last = next((i for i in range(len(messages) - 1, -1, -1) if messages[i].role == "user"), None)
    if last is None:
        return messages, "", ()
    first = last
    while first > 0 and messages[first - 1].role == "user":
        first -= 1
    return messages[:first], "\n".join(m.text for m in messages[first : last + 1]), messages[last + 1 :]


def results(since: Sequence[Said]) -> dict[str, Any]:
    """The tools' answers of this turn by tool name (the last one of each), parsed where they are JSON."""
    found: dict[str, Any] = {}
    for message in since:
        if message.role == "tool" and message.tool:
            found[message.tool] = parsed(message.text)
    return found


def parsed(text: str) -> Any:
    """The JSON value of a tool's answer, or the text itself when it is not JSON (an error sentence)."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def as_rows(value: Any) -> list[dict[str, Any]]:
    """The rows of a tool's answer: a list of objects, or the `rows` of an object; anything else has none."""
    if isinstance(value, dict):
        value = cast(dict[str, Any], value).get("rows")
    if not isinstance(value, list):
        return []
    return [cast(dict[str, Any], row) for row in cast(list[Any], value) if isinstance(row, dict)]


def pick(options: Sequence[str], seed: str) -> str:
    """One of the options, chosen by the seed text alone: varied between leads, the same on every replay."""
    return options[zlib.crc32(f"{seed}|{options[0]}".encode()) % len(options)]
