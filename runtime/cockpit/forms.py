"""POST: every change a person makes. Plain forms first; htmx gets the same answer in parts."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import cast
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Request, Response

from runtime.cockpit.auth import WINDOW, Session
from runtime.cockpit.deps import KILL_SCOPES, KillScope
from runtime.cockpit.pages import chat_context, draw, visible
from runtime.cockpit.web import THEMES, Flash, Web, is_partial
from runtime.cockpit.words import LOCALES, Words
from tools.gate import Outcome

YEAR = 365 * 24 * 3600
MAX_REASON, MAX_QUESTION = 500, 2000


async def field(request: Request, name: str) -> str:
    """One text field of the form, trimmed; empty when absent."""
    value = (await request.form()).get(name, "")
    return value.strip() if isinstance(value, str) else ""


def back(request: Request, prefix: str) -> str:
    """The page of ours that a form came from, as a path without the prefix; the front page when it is not ours."""
    referer = urlsplit(request.headers.get("referer", ""))
    path = referer.path.removeprefix(prefix)
    if referer.netloc != request.headers.get("host") or not path.startswith("/") or path.startswith("//"):
        return "/"
    return path


def valid_id(text: str) -> bool:
    """Whether a path part is one of our ids."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def add_forms(router: APIRouter, web: Web) -> None:
    """Adds everything that changes something."""
    gate, guard = web.deps.gate, web.guard

    async def answer(
        request: Request, session: Session, flash: Flash, to: str, regions: tuple[str, ...], status: int = 200
    ) -> Response:
        """A notice and the changed regions for htmx; a redirect with the notice for everyone else."""
        if not is_partial(request):
            return web.redirect(request, to, flash=flash, session=session)
        if urlsplit(request.headers.get("hx-current-url", "")).path != f"{web.deps.prefix}/":
            # A page without these regions (a single card): go where the answer can be seen.
            response = web.redirect(request, to, flash=flash, session=session)
            response.headers["HX-Redirect"] = response.headers["location"]
            del response.headers["location"]
            response.status_code = 200
            return response
        notice = web.template("notice.html", web.base(request, session) | {"flash": flash})
        return web.html(notice + await draw(web, request, session, list(regions)), status)

    def told(request: Request, outcome: Outcome, extra: str | None = None) -> Flash:
        say = web.speaker(request)
        details = tuple(say.message(f.message) or f.rule for f in outcome.findings if f.answer != "allow")
        text = say.message(outcome.message) or outcome.status
        return Flash("good" if outcome.ok else "bad", f"{text} {extra}" if extra else text, () if outcome.ok else details)

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

    # -- decisions -----------------------------------------------------------------------------------------------------------

    @router.post("/approvals/{action_id}/approve")
    async def approve(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        if not valid_id(action_id):
            return web.problem(request, session, "error.not_found", 404)
        fingerprint = await field(request, "fingerprint")
        outcome = await gate.approve(action_id, session.actor, fingerprint)
        return await answer(request, session, told(request, outcome), "/", ("approvals", "feed", "kpis"))

    @router.post("/approvals/{action_id}/reject")
    async def reject(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        if not valid_id(action_id):
            return web.problem(request, session, "error.not_found", 404)
        reason = (await field(request, "reason"))[:MAX_REASON]
        if not reason:
            missing = Flash("bad", Words(web.locale(request))("error.reason_missing"))
            return await answer(request, session, missing, f"/approvals/{action_id}", (), 422)
        outcome = await gate.reject(action_id, session.actor, reason)
        return await answer(request, session, told(request, outcome), "/", ("approvals", "feed", "kpis"))

    @router.post("/actions/{action_id}/undo")
    async def undo(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        does = getattr(gate, "undo", None)
        if does is None or not valid_id(action_id):
            return web.problem(request, session, "error.not_found", 404)
        outcome = cast("Outcome", await does(action_id, session.actor))
        return await answer(request, session, told(request, outcome), "/", ("feed", "approvals", "kpis", "campaigns"))

    @router.post("/kill")
    async def kill(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        words = Words(web.locale(request))
        scope, target = await field(request, "scope"), await field(request, "target")
        reason = (await field(request, "reason"))[:MAX_REASON]
        if scope not in KILL_SCOPES:
            return web.problem(request, session, "error.not_found", 404)
        if scope != "all" and not target:
            return await answer(request, session, Flash("bad", words("error.target_missing")), "/", (), 422)
        started = time.monotonic()
        outcome = await gate.kill(
            cast("KillScope", scope), None if scope == "all" else target, session.actor, reason or words("kill.button")
        )
        took = words("kill.took", ms=round((time.monotonic() - started) * 1000))
        flash = told(request, outcome, took if outcome.ok else None)
        return await answer(request, session, flash, "/", ("status", "approvals", "feed"))

    @router.post("/kill/{kill_id}/resume")
    async def resume(request: Request, kill_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        if not valid_id(kill_id):
            return web.problem(request, session, "error.not_found", 404)
        outcome = await gate.resume(kill_id, session.actor)
        return await answer(request, session, told(request, outcome), "/", ("status", "approvals", "feed"))

    @router.post("/alerts/{alert_id}/ack")
    async def acknowledge(request: Request, alert_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        if not valid_id(alert_id):
            return web.problem(request, session, "error.not_found", 404)
        words = Words(web.locale(request))
        done = await web.accounts.acknowledge(alert_id, str(session.actor), web.deps.clock.now())
        flash = Flash("good" if done else "plain", words(f"notice.{'' if done else 'already_'}acknowledged"))
        return await answer(request, session, flash, "/", ("alerts",))

    # -- talking -------------------------------------------------------------------------------------------------------------

    @router.post("/chat")
    async def chat(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request)
        locale, now = web.locale(request), web.deps.clock.now()
        text = await field(request, "text")
        if not text or len(text) > MAX_QUESTION:
            problem = Flash("bad", Words(locale)("error.too_long" if text else "chat.empty"))
            return await answer(request, session, problem, "/chat", (), 422)
        reply = await web.deps.chat.ask(session.actor, text, locale)
        rows = [dict(row) for row in reply.rows]
        if reply.action_id is not None:
            rows.append({"proposed_action": reply.action_id})
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
                body += await draw(web, request, session, ["approvals", "feed", "kpis"])
        return web.html(body)
