"""An OpenAI-compatible twin: chat completions (plain and streamed, with tools), models, embeddings, transcriptions.

The words come from `openai_script`; this file is the wire. Unknown routes are 404; a missing or wrong bearer key is 401 in OpenAI's
error shape. Transcription insists on what the real service insists on: a file NAME with a supported extension (`.opus` and `.oga`
are turned down) and a live model.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import struct
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from runtime.sandbox import openai_script, speech
from runtime.sandbox.twin_state import state_of
from runtime.sandbox.world import Fault, World

API_KEY = "sk-sandbox"
MODELS = ("sandbox-chat", "gpt-5-mini", "gpt-5", "gpt-4o-mini", "gpt-transcribe", "text-embedding-3-small")
EXTENSIONS = {"flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm"}
DIMENSIONS = 1536

# parameters of the chat endpoint that clients send; anything else is refused
_CHAT = {
    "model",
    "messages",
    "tools",
    "tool_choice",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stop",
    "seed",
    "user",
    "response_format",
    "parallel_tool_calls",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "metadata",
    "store",
    "reasoning_effort",
    "service_tier",
    "modalities",
    "verbosity",
    "safety_identifier",
    "prompt_cache_key",
}


class Refused(Exception):
    """Ends a request with OpenAI's error object."""

    def __init__(
        self, status: int, message: str, kind: str = "invalid_request_error", code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


class Ears:
    """What the transcription endpoint will hear: canned texts by the file's SHA-256."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.texts: dict[str, str] = {}


def ears(world: World) -> Ears:
    """The canned transcripts of a world, by SHA-256 of the audio file (hex)."""
    return state_of(world, Ears)[0]


def router(world: World) -> APIRouter:
    """The twin's routes (/v1/...)."""
    routes = APIRouter()
    world.fault_forms["openai"] = fault_form

    def guarded(handler: Any) -> Any:
        async def run(request: Request) -> Response:
            try:
                if request.headers.get("authorization") != f"Bearer {API_KEY}":
                    raise Refused(401, "Incorrect API key provided.", code="invalid_api_key")
                return await handler(world, request)
            except Refused as refused:
                return JSONResponse(refused.body, refused.status)

        return run

    routes.add_api_route("/v1/models", guarded(_models), methods=["GET"], name="models")
    routes.add_api_route("/v1/chat/completions", guarded(_chat), methods=["POST"], name="chat")
    routes.add_api_route("/v1/embeddings", guarded(_embeddings), methods=["POST"], name="embeddings")
    routes.add_api_route("/v1/audio/transcriptions", guarded(_transcriptions), methods=["POST"], name="transcriptions")
    return routes


def _unknown(world: World, request: Request, name: str) -> Refused:
    world.refuse("openai", request.method, request.url.path, f"unknown argument {name}")
    return Refused(400, f"Unrecognized request argument supplied: {name}", param=name)


def fault_form(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """A planned fault in OpenAI's words: status, headers, body."""
    status, message, kind, code = {
        "rate_limit": (429, "Rate limit reached for requests.", "requests", "rate_limit_exceeded"),
        "expired_token": (401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    }.get(fault.kind, (500, "The server had an error while processing your request.", "server_error", None))
    headers = {"content-type": "application/json", **({"retry-after": "20"} if status == 429 else {})}
    return status, headers, json.dumps(Refused(status, message, kind, code).body).encode()


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise Refused(400, "We could not parse the JSON body of your request.") from error
    if not isinstance(body, dict):
        raise Refused(400, "The body must be an object.")
    return body


def _known(model: Any) -> str:
    if not isinstance(model, str) or not model:
        raise Refused(400, "you must provide a model parameter", param="model")
    if model not in MODELS:
        raise Refused(
            404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found", param="model"
        )
    return model


async def _models(world: World, request: Request) -> Response:
    rows = [{"id": name, "object": "model", "created": 1700000000, "owned_by": "sandbox"} for name in MODELS]
    return JSONResponse({"object": "list", "data": rows})


async def _chat(world: World, request: Request) -> Response:
    body = await _json(request)
    extra = sorted(set(body) - _CHAT)
    if extra:
        raise _unknown(world, request, extra[0])
    model = _known(body.get("model"))
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) and "role" in m for m in messages):
        raise Refused(400, "Invalid type for 'messages': expected a non-empty array of messages.", param="messages")
    choice = body.get("tool_choice")
    names = {tool.get("function", {}).get("name") for tool in body.get("tools") or []}
    if isinstance(choice, dict) and choice.get("function", {}).get("name") not in names:
        raise Refused(400, "Tool choice names a function that is not in 'tools'.", param="tool_choice")
    _check_order(messages)
    text, calls = openai_script.answer(body)
    number = world.next_id("openai_chat", 0)
    marked = [{"id": f"call_{number}_{i}", "type": "function", "function": call} for i, call in enumerate(calls)]
    asked = sum(len(str(m.get("content") or "")) for m in messages) // 4 + 1
    said = len(text or "") // 4 + sum(len(c["arguments"]) for c in calls) // 4 + 1
    usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
    base = {
        "id": f"chatcmpl-sandbox{number}",
        "created": int(world.now.timestamp()),
        "model": model,
        "system_fingerprint": "sandbox",
    }
    finish = "tool_calls" if marked else "stop"
    if body.get("stream"):
        counted = bool((body.get("stream_options") or {}).get("include_usage"))
        return StreamingResponse(_stream(base, text, marked, finish, usage if counted else None), media_type="text/event-stream")
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if marked:
        message["tool_calls"] = marked
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}]
    return JSONResponse({**base, "object": "chat.completion", "choices": choices, "usage": usage})


def _check_order(messages: list[dict[str, Any]]) -> None:
    """Every tool call must be answered by a tool message before anyone speaks again, as the real service demands."""
    waiting: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                raise Refused(
                    400, "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.", param="messages"
                )
            waiting.discard(message["tool_call_id"])
            continue
        if waiting:
            raise Refused(
                400,
                f"An assistant message with 'tool_calls' must be followed by tool messages: {sorted(waiting)}",
                param="messages",
            )
        waiting = {call["id"] for call in message.get("tool_calls") or []}
    if waiting:
        raise Refused(
            400, f"An assistant message with 'tool_calls' must be followed by tool messages: {sorted(waiting)}", param="messages"
        )


def _stream(
    base: dict[str, Any], text: str | None, calls: list[dict[str, Any]], finish: str, usage: dict[str, int] | None
) -> Iterator[str]:
    def chunk(delta: dict[str, Any], reason: str | None = None) -> str:
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]
        return _event({**base, "object": "chat.completion.chunk", "choices": choices})

    yield chunk({"role": "assistant", "content": None if calls else ""})
    for index, call in enumerate(calls):
        yield chunk(
            {
                "tool_calls": [
                    {
                        "index": index,
                        "id": call["id"],
                        "type": "function",
                        "function": {"name": call["function"]["name"], "arguments": ""},
                    }
                ]
            }
        )
        arguments = call["function"]["arguments"]
        for start in range(0, len(arguments), 12):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments[start : start + 12]}}]})
    for piece in re.findall(r"\S+\s*", text or ""):
        yield chunk({"content": piece})
    yield chunk({}, finish)
    if usage is not None:
        yield _event({**base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def embed(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A deterministic unit vector: hashed words and character trigrams, so that texts with common words are near each other."""
    vector = [0.0] * dimensions
    plain = openai_script.fold(text)
    features = re.findall(r"\w+", plain)
    features += [word[i : i + 3] for word in list(features) for i in range(len(word) - 2)]
    for feature in features:
        digest = hashlib.sha256(feature.encode()).digest()
        vector[int.from_bytes(digest[:4], "big") % dimensions] += 1.0 if digest[4] & 1 else -1.0
    norm = math.sqrt(sum(v * v for v in vector))
    if norm == 0:
        vector[0] = norm = 1.0
    return [v / norm for v in vector]


async def _embeddings(world: World, request: Request) -> Response:
    body = await _json(request)
    extra = sorted(set(body) - {"model", "input", "encoding_format", "dimensions", "user"})
    if extra:
        raise _unknown(world, request, extra[0])
    model = _known(body.get("model"))
    given = body.get("input")
    texts: list[Any] = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise Refused(400, "'input' must be a non-empty string or a list of them.", param="input")
    dimensions = int(body.get("dimensions") or DIMENSIONS)
    rows: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        vector = embed(text, dimensions)
        packed = (
            base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
            if body.get("encoding_format") == "base64"
            else vector
        )
        rows.append({"object": "embedding", "index": index, "embedding": packed})
    tokens = sum(len(text) // 4 + 1 for text in texts)
    return JSONResponse(
        {"object": "list", "data": rows, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    )


async def _transcriptions(world: World, request: Request) -> Response:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refused(400, "Expected multipart/form-data.")
    async with request.form() as form:
        allowed = {
            "file",
            "model",
            "language",
            "languages",
            "languages[]",
            "keywords",
            "keywords[]",
            "prompt",
            "response_format",
            "temperature",
            "stream",
            "chunking_strategy",
            "include[]",
            "timestamp_granularities[]",
        }
        extra = sorted(set(form) - allowed)
        if extra:
            raise _unknown(world, request, extra[0])
        file, model, form_of_answer = form.get("file"), form.get("model"), form.get("response_format") or "json"
        if file is None or isinstance(file, str):
            raise Refused(400, "you must provide a file", param="file")
        filename, audio = file.filename or "", await file.read()
    _known(model)
    if filename.rpartition(".")[2].lower() not in EXTENSIONS:
        raise Refused(400, f"Unrecognized file format. Supported formats: {sorted(EXTENSIONS)}", param="file")
    if not audio or len(audio) > 25 * 1024 * 1024:
        raise Refused(400 if not audio else 413, "Audio file is empty or over the limit of 25 MB.", param="file")
    text = (
        ears(world).texts.get(hashlib.sha256(audio).hexdigest())
        or request.headers.get("x-sandbox-transcript")
        or speech.words(audio)
    )
    if text is None:
        if not audio.startswith((b"OggS", b"RIFF", b"ID3", b"fLaC", b"\xff\xfb", b"\x1aE\xdf\xa3")) and audio[4:8] != b"ftyp":
            raise Refused(400, "Audio file might be corrupted or unsupported.", param="file")
        text = "Olá, quero um orçamento de uma bancada de inox."
    if form_of_answer == "text":
        return Response(text, media_type="text/plain")
    return JSONResponse({"text": text, "usage": {"type": "duration", "seconds": 7}})
