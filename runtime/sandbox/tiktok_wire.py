"""How the TikTok Business API speaks: one envelope, JSON bodies, JSON text in query lists. No advertising in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response


class Refused(Exception):
    """A refusal in TikTok's envelope."""

    def __init__(self, message: str, code: int = 40002, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.unknown = unknown


def unknown_route(request: Request) -> Response:
    """What TikTok says to a path it does not have."""
    return JSONResponse(
        {"code": 40006, "message": f"Path not found: {request.url.path}", "request_id": "2026112000000040006", "data": {}}, 404
    )


@dataclass
class Ask:
    """One request: query values decoded from their JSON text, or the JSON body."""

    method: str
    path: str
    values: dict[str, Any]
    files: dict[str, bytes]

    def only(self, *allowed: str | frozenset[str]) -> None:
        """Refuses every parameter the endpoint has no name for."""
        names: set[str] = set()
        for entry in allowed:
            names |= set(entry.split()) if isinstance(entry, str) else entry
        for name in self.values:
            if name not in names:
                raise Refused(f"{name}: Unknown field.", unknown=True)

    def need(self, name: str) -> Any:
        """A required value."""
        value = self.values.get(name)
        if value is None or value == "" or value == []:
            raise Refused(f"{name}: Missing data for required field.")
        return value

    def choice(self, name: str, allowed: frozenset[str], default: str | None = None) -> str | None:
        """An enum value."""
        value = self.values.get(name, default)
        if value is not None and value not in allowed:
            raise Refused(f"{name}: Must be one of: {', '.join(sorted(allowed))}.")
        return value

    def ids(self, name: str) -> list[str]:
        """A list of ids. Numbers are refused: they do not survive JSON above 2^53."""
        value = self.need(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):  # pyright: ignore[reportUnknownVariableType]
            raise Refused(f"{name}: Must be a list of strings.")
        return value  # pyright: ignore[reportUnknownVariableType]


def filter_rules(ask: Ask, allowed: str) -> dict[str, Any]:
    rules: Any = ask.values.get("filtering") or {}
    if not isinstance(rules, dict):
        raise Refused("filtering: Invalid type.")
    kept: dict[str, Any] = {str(name): value for name, value in rules.items() if value is not None}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    for name in kept:
        if name not in allowed.split():
            raise Refused(f"filtering.{name}: Unknown field.", unknown=True)
    return kept


def chosen(ask: Ask, row: dict[str, Any]) -> dict[str, Any]:
    fields = ask.values.get("fields")
    return {name: value for name, value in row.items() if name in fields} if fields else row


def page(ask: Ask, rows: list[dict[str, Any]], most: int = 1000) -> dict[str, Any]:
    try:
        number, size = int(ask.values.get("page", 1)), int(ask.values.get("page_size", 10))
    except (TypeError, ValueError):
        raise Refused("page: Not a valid integer.") from None
    if number < 1 or not 1 <= size <= most:
        raise Refused(f"page_size: Must be between 1 and {most}.")
    part = rows[(number - 1) * size : number * size]
    if ask.path != "report/integrated/get":
        part = [chosen(ask, row) for row in part]
    info = {"page": number, "page_size": size, "total_number": len(rows), "total_page": -(-len(rows) // size)}
    return {"list": part, "page_info": info}
