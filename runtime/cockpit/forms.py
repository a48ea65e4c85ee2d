"""POST: every change a person makes. Plain forms first; htmx gets the same answer in parts."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import cast

from fastapi import APIRouter, Request, Response

from knowledge.domain.message import Message
from runtime.cockpit.auth import WINDOW
from runtime.cockpit.decisions import MAX_REASON, QUEUE, answer, told
from runtime.cockpit.deps import KILL_SCOPES, KillScope
from runtime.cockpit.pages import chat_context, draw, visible
from runtime.cockpit.web import THEMES, Flash, Web, back, field, is_partial, valid_id
from runtime.cockpit.words import LOCALES, Words
from runtime.db.gate_books import PgGateBooks
from runtime.jobs import autonomy

YEAR = 365 * 24 * 3600
MAX_QUESTION = 2000


def add_forms(router: APIRouter, web: Web) -> None:
    """Adds everything that changes something."""
    gate, guard = web.deps.gate, web.guard

    # -- coming and going ----------------------------------------------------------------------------------------------------

    @router.post("/login")
    async def login(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        await guard.check_visitor(request)
        words = Words(web.locale(request))
        email, address = await field(request, "email"), request.client.host if request.client else "unknown"
        form = await request.form()
        password = form.get("password", "")
        if await guard.wait(email, address):
            minutes = int(WINDOW.total_seconds() // 60)
            problem = words("login.too_many", minutes=minutes)
            response = web.page(request, "login.html", None, {"problem": problem, "email": email}, 429)
            response.headers["Retry-After"] = str(minutes * 60)
            return response
        secret = await guard.login(email, password if isinstance(password, str) else "", address)
        if secret is None:
            return web.page(request, "login.html", None, {"problem": words("login.wrong"), "email": email}, 401)
        response = web.redirect(request, "/")
        guard.put(response, guard.session_cookie, secret, seconds=web.deps.settings.session_hours * 3600)
        guard.drop(response, guard.visitor_cookie)
        return response

    @router.post("/logout")
    async def logout(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request)
        await guard.logout(session)
        response = web.redirect(request, "/login")
        guard.drop(response, guard.session_cookie)
        return response

    @router.post("/locale")
    async def locale(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        await guard.check_visitor(request)
        wanted = await field(request, "locale")
        response = web.redirect(request, back(request, web.deps.prefix))
        if wanted in LOCALES:
            guard.put(response, "ceo_locale", wanted, seconds=YEAR)
        return response

    @router.post("/theme")
    async def theme(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        await guard.check_visitor(request)
        wanted = await field(request, "theme")
        response = web.redirect(request, back(request, web.deps.prefix))
        if wanted in THEMES:
            guard.put(response, "ceo_theme", wanted, seconds=YEAR)
        return response

    # -- stops and alerts ------------------------------------------------------------------------------------------------------

    @router.post("/kill")
    async def kill(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        words = Words(web.locale(request))
        place = back(request, web.deps.prefix)
        scope, target = await field(request, "scope"), await field(request, "target")
        reason = (await field(request, "reason"))[:MAX_REASON]
        if scope not in KILL_SCOPES:
            return web.problem(request, session, "error.not_found", 404)
        if scope != "all" and not target:
            return await answer(web, request, session, Flash("bad", words("error.target_missing")), place, (), 422)
        started = time.monotonic()
        outcome = await gate.kill(
            cast("KillScope", scope), None if scope == "all" else target, session.actor, reason or words("kill.button")
        )
        took = words("kill.took", ms=round((time.monotonic() - started) * 1000))
        flash = told(web, request, outcome, took if outcome.ok else None)
        return await answer(web, request, session, flash, place, ("status", "approvals", "feed"))

    @router.post("/kill/{kill_id}/resume")
    async def resume(request: Request, kill_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        if not valid_id(kill_id):
            return web.problem(request, session, "error.not_found", 404)
        outcome = await gate.resume(kill_id, session.actor)
        return await answer(
            web, request, session, told(web, request, outcome), back(request, web.deps.prefix), ("status", "approvals", "feed")
        )

    @router.post("/alerts/{alert_id}/ack")
    async def acknowledge(request: Request, alert_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        if not valid_id(alert_id):
            return web.problem(request, session, "error.not_found", 404)
        words = Words(web.locale(request))
        done = await web.accounts.acknowledge(alert_id, str(session.actor), web.deps.clock.now())
        flash = Flash("good" if done else "plain", words(f"notice.{'' if done else 'already_'}acknowledged"))
        return await answer(web, request, session, flash, "/", ("alerts",))

    @router.post("/autonomy/{grant_id}/revoke")
    async def revoke(request: Request, grant_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        words, database = Words(web.locale(request)), web.deps.database
        if not valid_id(grant_id):
            return web.problem(request, session, "error.not_found", 404)
        reason = (await field(request, "reason"))[:MAX_REASON]
        if not reason:
            return await answer(web, request, session, Flash("bad", words("error.reason_missing")), "/settings", (), 422)
        async with database.transaction() as tx:
            grant = await tx.grants.get(grant_id)
        why = Message(id="autonomy.lost.person", params={"reason": reason})
        books, now = PgGateBooks(database.engine), web.deps.clock.now()
        done = grant is not None and await autonomy.revoke(books, grant, str(session.actor), why, now)
        told_so = web.speaker(request).message(Message(id="autonomy.revoked" if done else "autonomy.not_living")) or ""
        return await answer(web, request, session, Flash("good" if done else "bad", told_so), "/settings", ())

    # -- talking -------------------------------------------------------------------------------------------------------------

    @router.post("/chat")
    async def chat(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request)
        locale, now = web.locale(request), web.deps.clock.now()
        text = await field(request, "text")
        if not text or len(text) > MAX_QUESTION:
            problem = Flash("bad", Words(locale)("error.too_long" if text else "chat.empty"))
            return await answer(web, request, session, problem, "/chat", (), 422)
        reply = await web.deps.chat.ask(session.actor, text, locale)
        rows = [dict(row) for row in reply.rows]
        rows += [{"proposed_action": action_id} for action_id in reply.action_ids]
        await web.accounts.say(session.user_id, "user", text, (), now)
        # A microsecond later at least: lines of one moment have no order.
        said = max(web.deps.clock.now(), now + timedelta(microseconds=1))
        await web.accounts.say(session.user_id, "ceo", reply.text, rows, said)
        if not is_partial(request):
            return web.redirect(request, "/chat")
        context = web.base(request, session) | await chat_context(web, session, locale)
        body = web.template("chat_log.html", context)
        if reply.action_id is not None:
            row = await web.reads.action(reply.action_id)
            if visible(row, session):
                body += await draw(web, request, session, [*QUEUE, "campaigns"])
        return web.html(body)
