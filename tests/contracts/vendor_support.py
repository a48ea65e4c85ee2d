"""Shared by the vendor tests: a permit as the gate would give it, and our captured payloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from knowledge.domain.conversation import InboundEvent
from tools.permit import Permit, use_permit

FIXTURES = Path(__file__).parent / "fixtures"
CONTRACTS = Path(__file__).parents[2] / ".." / "shared" / "contracts" / "conversation"


@contextmanager
def permitted(key: str = "k-test") -> Iterator[None]:
    """Leave to write, as inside the gate."""

    async def guard() -> None:
        """No kill switch in these tests."""

    with use_permit(Permit(action_id="a-test", key=key, scopes=frozenset(), guard=guard)):
        yield


def captured(vendor: str) -> list[Any]:
    """Every payload of a vendor's folder, as pytest parameters (payload, expected events)."""
    found: list[Any] = []
    for path in sorted((FIXTURES / vendor).glob("*.json")):
        case = json.loads(path.read_text())
        found.append(pytest.param(case["payload"], case["events"], id=path.stem))
    return found


def payload(vendor: str, name: str, **changes: Any) -> bytes:
    """One captured payload as bytes, with changes."""
    return json.dumps(json.loads((FIXTURES / vendor / f"{name}.json").read_text())["payload"] | changes).encode()


def contract(name: str) -> Any:
    """A machine-readable contract of the workspace; skips the test when it is not at hand."""
    path = CONTRACTS / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")
    return json.loads(path.read_text())


def assert_event(event: InboundEvent, expected: dict[str, Any]) -> None:
    """Every expected field, in JSON spelling; identities as (kind, value) pairs."""
    told = event.model_dump(mode="json")
    told["identities"] = [[one.kind, one.value] for one in event.identities]
    told["sent_at"] = event.sent_at.isoformat() if event.sent_at else None
    for name, value in expected.items():
        assert told[name] == value, name


class Recorder(httpx.AsyncBaseTransport):
    """The real network, remembering every request that left. `deaf_to` are query parameters that never arrive."""

    def __init__(self, deaf_to: frozenset[str] = frozenset()) -> None:
        self.seen: list[httpx.Request] = []
        self._deaf_to = deaf_to
        self._real = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        for name in self._deaf_to & set(request.url.params):
            request.url = request.url.copy_remove_param(name)
        return await self._real.handle_async_request(request)


def departures(seen: list[httpx.Request], api: dict[str, Any], prefix: str) -> list[str]:
    """Where requests leave an OpenAPI document: unknown path, method, query parameter or body field."""
    found: list[str] = []
    for request in seen:
        path = request.url.path.removeprefix(prefix)
        name = next((known for known in api["paths"] if _same_path(known, path)), None)
        method = request.method.lower()
        if name is None or method not in api["paths"][name]:
            found.append(f"{method} {path}")
            continue
        operation, shared = api["paths"][name][method], api["paths"][name].get("parameters", [])
        known = {_resolve(api, one).get("name") for one in [*operation.get("parameters", []), *shared]}
        found += [f"{method} {name} ?{query}" for query in request.url.params if query not in known]
        if request.content:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            fields = _fields(api, schema)
            found += [f"{method} {name} .{field}" for field in json.loads(request.content) if field not in fields]
    return found


def _same_path(template: str, path: str) -> bool:
    parts, given = template.split("/"), path.split("/")
    return len(parts) == len(given) and all(
        one == other or (one.startswith("{") and other.isdigit()) for one, other in zip(parts, given, strict=True)
    )


def _resolve(api: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = api
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def _fields(api: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    schema = _resolve(api, schema)
    found = set(schema.get("properties", {}))
    for how in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(how, []):
            found |= _fields(api, part)
    return found
