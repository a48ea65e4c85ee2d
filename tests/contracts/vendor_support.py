"""Shared by the vendor tests: a permit as the gate would give it, and our captured payloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
