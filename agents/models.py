"""Models by configuration. Keys are handed in by the settings; nothing here reads the environment.

    offline                             the deterministic model of agents.offline, labelled as such
    openai:gpt-5-mini                   OpenAI
    openai-like:<base_url>:<model>      any server that speaks OpenAI's chat completions
    anthropic:<model>                   Anthropic, over its OpenAI-compatible endpoint
    ollama:<model>                      Ollama on this machine, over its OpenAI-compatible endpoint

Every hosted one speaks the same wire, so one class and one injected HTTP client serve them all. Agno limits tool calls but not
model turns (its model is called again for ever by a script that keeps calling tools): `max_turns` is that limit.
"""

# Agno's own signatures name unparameterised containers, which a strict reading calls unknown.
# pyright: reportUnknownMemberType=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.offline.brain import Brain

if TYPE_CHECKING:
    from agno.models.base import Model

MAX_TURNS = 8
_ANTHROPIC = "https://api.anthropic.com/v1/"
_OLLAMA = "http://127.0.0.1:11434/v1"
_LIKE = re.compile(r"(https?://[^/\s]+(?:/[^:\s]*)?):(\S+)")


class ModelConfigError(ValueError):
    """The model setting cannot be used; the sentence says what to write instead."""


class ModelSpec(NamedTuple):
    """A parsed model setting. `base_url` is None for OpenAI itself."""

    provider: str
    model: str
    base_url: str | None

    @property
    def label(self) -> str:
        """What the cockpit and the logs show."""
        return "offline" if self.provider == "offline" else f"{self.provider}:{self.model}"


def parse_spec(spec: str) -> ModelSpec:
    """The parts of a model setting. Raises ModelConfigError naming the accepted forms."""
    provider, _, rest = spec.strip().partition(":")
    if spec.strip() == "offline":
        return ModelSpec("offline", "offline", None)
    if provider == "openai-like" and (match := _LIKE.fullmatch(rest)):
        return ModelSpec(provider, match[2], match[1])
    if provider in {"openai", "anthropic", "ollama"} and rest.strip():
        return ModelSpec(provider, rest, {"openai": None, "anthropic": _ANTHROPIC, "ollama": _OLLAMA}[provider])
    raise ModelConfigError(
        f"model: {spec!r} is not understood; write offline, openai:<model>, openai-like:<base_url>:<model>, "
        f"anthropic:<model> or ollama:<model>"
    )


def build_model(
    spec: str,
    *,
    offline_brain: Brain | None = None,
    keys: Mapping[str, str] | None = None,
    http_client: Any = None,
    max_turns: int = MAX_TURNS,
    timeout: float = 60.0,
) -> Model:
    """One Agno model. `http_client`: an httpx client made by tools.http; without one the OpenAI library makes its own.

    `keys` by provider (openai, openai-like, anthropic); `offline_brain` is needed for `offline` only.

    Raises ModelConfigError for an unknown form, a missing key or a missing brain.
    """
    parts = parse_spec(spec)
    if parts.provider == "offline":
        from agents.offline.model import OfflineModel

        if offline_brain is None:
            raise ModelConfigError("model: offline needs the brain of the agent that it plays")
        return OfflineModel(brain=offline_brain, max_turns=max_turns)
    key = (keys or {}).get(parts.provider)
    if not key:
        if parts.provider in {"openai", "anthropic"}:
            raise ModelConfigError(f"model: {spec!r} needs a key; set {parts.provider.upper()}_API_KEY or use `offline`")
        key = "not-needed"
    capped = _capped_class()
    return capped(
        id=parts.model,
        name="OpenAIChat" if parts.provider == "openai" else parts.provider,
        provider=parts.provider,
        api_key=key,
        base_url=parts.base_url,
        http_client=http_client,
        timeout=timeout,
        max_retries=2,
        max_turns=max_turns,
    )


def build_models(specs: Sequence[str], **options: Any) -> tuple[Model, list[Model]]:
    """(primary, fallbacks) of a list of settings, the first being primary. Options as in `build_model`."""
    if not specs:
        raise ModelConfigError("model: the list is empty; `offline` always works")
    primary, *rest = (build_model(spec, **options) for spec in specs)
    return primary, rest


@lru_cache
def _capped_class() -> Any:
    """OpenAI-compatible model with a cap on turns. Made on first use: importing agno's model costs most of a second."""
    from agno.exceptions import ModelProviderError
    from agno.models.openai.like import OpenAILike

    from agents.offline.model import turns_taken

    @dataclass
    class CappedModel(OpenAILike):
        max_turns: int = MAX_TURNS

        def __deepcopy__(self, memo: dict[int, Any]) -> Any:
            # Agno's own copy drops the HTTP client, and with it our timeouts and limits
            copied = super().__deepcopy__(memo)
            copied.http_client = self.http_client
            return copied

        def _check(self, kwargs: Mapping[str, Any]) -> None:
            # Counted from the messages of the run: no state, hence safe for concurrent runs and copies
            taken = turns_taken(kwargs.get("messages") or [])
            if taken >= self.max_turns:
                raise ModelProviderError(
                    message=f"the model took {taken} turns without an answer; the limit is {self.max_turns}",
                    status_code=422,
                    model_id=self.id,
                )

        def invoke(self, *args: Any, **kwargs: Any) -> Any:
            self._check(kwargs)
            return super().invoke(*args, **kwargs)

        async def ainvoke(self, *args: Any, **kwargs: Any) -> Any:
            self._check(kwargs)
            return await super().ainvoke(*args, **kwargs)

        def invoke_stream(self, *args: Any, **kwargs: Any) -> Any:
            self._check(kwargs)
            yield from super().invoke_stream(*args, **kwargs)

        async def ainvoke_stream(self, *args: Any, **kwargs: Any) -> Any:
            self._check(kwargs)
            async for part in super().ainvoke_stream(*args, **kwargs):
                yield part

    return CappedModel
