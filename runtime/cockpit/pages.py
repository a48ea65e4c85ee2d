"""GET: the pages and the parts of them that htmx fetches again."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from runtime.cockpit import about
from runtime.cockpit.auth import Session
from runtime.cockpit.regions import REGIONS, Regions
from runtime.cockpit.speak import Speaker
from runtime.cockpit.web import Web
from runtime.cockpit.words import Words
from runtime.db.action_reads import ActionRow

CHAT_LINES = 30
CITED = re.compile(r"\[(?:actions?|approvals):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\]")
About = Callable[[Web, Speaker, Session, Request], Awaitable[dict[str, Any]]]


async def chat_context(web: Web, session: Session, locale: str) -> dict[str, Any]:
    """The chat's past lines and quick prompts."""
    own = web.deps.settings.quick_prompts.get(locale)
    words = Words(locale)
    prompts = own or tuple(words(f"chat.prompt_{number}") for number in (1, 2, 3))
    return {"lines": await web.accounts.chat(session.user_id, CHAT_LINES), "prompts": prompts, "cut": cut}


def cut(answer: str) -> list[tuple[str, str | None]]:
    """The pieces of an answer, each with the action that is cited behind it."""
    parts = CITED.split(answer)
    return [(text, ident) for text, ident in zip(parts[::2], [*parts[1::2], None], strict=True)]


def visible(row: ActionRow | None, session: Session) -> bool:
    """Viewers see campaigns, not what quotes a lead."""
    return row is not None and (session.may("manager") or row.kind.startswith("campaign."))


def add_pages(router: APIRouter, web: Web) -> None:
    """Adds the readable pages."""

    @router.get("/login")
    async def login_page(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        if await web.guard.session(request) is not None:
            return web.redirect(request, "/")
        return web.page(request, "login.html", None, {"problem": None, "email": ""})

    @router.get("/")
    async def cockpit(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await web.guard.require(request)
        last = await web.reads.last_event()
        regions = Regions(web, web.speaker(request), session)
        context = await regions.all() | await chat_context(web, session, web.locale(request))
        return web.page(request, "cockpit.html", session, context | {"last_event": last, "page": "panel"})

    if web.deps.prefix:  # AgentOS takes trailing slashes off before it looks for a route
        router.get("")(cockpit)

    @router.get("/partials")
    async def partials(request: Request, regions: str = "") -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await web.guard.require(request)
        wanted = [name for name in REGIONS if name in regions.split(",")]
        return web.html(await draw(web, request, session, wanted))

    @router.get("/chat")
    async def chat_page(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await web.guard.require(request)
        context = await Regions(web, web.speaker(request), session).context("status")
        context |= await chat_context(web, session, web.locale(request))
        return web.page(request, "chat.html", session, context | {"last_event": await web.reads.last_event(), "page": "chat"})

    @router.get("/approvals")
    async def queue(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await web.guard.require(request)
        last = await web.reads.last_event()
        regions, context = Regions(web, web.speaker(request), session), dict[str, Any]()
        for name in ("status", "approvals", "scheduled", "refusals"):
            context |= await regions.context(name)
        return web.page(request, "approvals.html", session, context | {"last_event": last, "page": "approvals"})

    @router.get("/approvals/batch")
    async def batch(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return web.redirect(request, "/approvals")  # what was ticked is gone with the form: reloaded, or the language changed

    @router.get("/approvals/{action_id}")
    @router.get("/actions/{action_id}")
    async def action_page(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await web.guard.require(request)
        row = await web.reads.action(action_id)
        if row is None or not visible(row, session):
            return web.problem(request, session, "error.not_found", 404)
        context = await Regions(web, web.speaker(request), session).context("status")
        context |= await about.action(web, web.speaker(request), session, row)
        return web.page(request, "action.html", session, context | {"last_event": await web.reads.last_event(), "page": "action"})

    async def shown(request: Request, name: str, make: About) -> Response:
        session = await web.guard.require(request)
        context = await Regions(web, web.speaker(request), session).context("status")
        context |= await make(web, web.speaker(request), session, request)
        return web.page(request, f"{name}.html", session, context | {"last_event": await web.reads.last_event(), "page": name})

    @router.get("/stops")
    async def stops(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return await shown(request, "stops", about.stops)

    @router.get("/audit")
    async def audit(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return await shown(request, "audit", about.audit)

    @router.get("/settings")
    async def settings(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return await shown(request, "settings", about.settings)

    @router.get("/static/cockpit/{name:path}")
    async def static(request: Request, name: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return web.assets.serve(name, request)


async def draw(web: Web, request: Request, session: Session, names: list[str]) -> str:
    """The regions as htmx partials, each aimed at its own place."""
    regions = Regions(web, web.speaker(request), session)
    base = web.base(request, session)
    parts: list[str] = []
    for name in names:
        context = base | await regions.context(name)
        parts.append(web.template("partial.html", context | {"region": name}))
    return "".join(parts)
