"""The cockpit as one router: pages, forms, static files and the live socket."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from runtime.cockpit import live
from runtime.cockpit.auth import ensure_user
from runtime.cockpit.decisions import add_decisions
from runtime.cockpit.deps import ChatAnswer, ChatPort, CockpitDeps, CockpitSettings, GatePort
from runtime.cockpit.forms import add_forms
from runtime.cockpit.pages import add_pages
from runtime.cockpit.web import Web

__all__ = ["ChatAnswer", "ChatPort", "CockpitDeps", "CockpitSettings", "GatePort", "build_router", "ensure_user"]


def build_router(deps: CockpitDeps) -> APIRouter:
    """Everything under `deps.prefix` (include it without another prefix). Signs people in by itself: outer layers must let
    these paths through: /, /login, /logout, /partials, /chat, /approvals*, /actions/*, /undo, /stops, /audit, /settings, /alerts/*,
    /autonomy/*, /kill*, /locale, /theme, /live, /static/cockpit/*."""
    web = Web(deps)
    router = APIRouter(prefix=deps.prefix, route_class=web.route_class(), include_in_schema=False)
    add_pages(router, web)
    add_forms(router, web)
    add_decisions(router, web)
    hub = live.Hub(web.reads)

    @router.websocket("/live")
    async def events(socket: WebSocket, last: int | None = None) -> None:  # pyright: ignore[reportUnusedFunction]
        await live.serve(web, hub, socket, last)

    return router
