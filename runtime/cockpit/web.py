"""The frame of every answer: security headers, errors as pages, locale and theme, templates, flash messages."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from prompts.messages import render
from runtime.cockpit import faults
from runtime.cockpit.assets import Assets
from runtime.cockpit.auth import Forbidden, Guard, LoginNeeded, Session, form_token, sign
from runtime.cockpit.deps import CockpitDeps
from runtime.cockpit.numbers import Numbers
from runtime.cockpit.speak import Speaker
from runtime.cockpit.words import LOCALES, Words
from runtime.db.cockpit_accounts import CockpitAccounts
from runtime.db.cockpit_reads import CockpitReads
from runtime.typed_text import clean

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # same-origin, not no-referrer: with that, browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
THEMES = ("light", "dark")
_FLASH = "ceo_flash"
MAX_FORM = 64 * 1024


@dataclass(frozen=True)
class Flash:
    """One sentence after an action: good, bad or plain."""

    tone: str
    text: str
    details: tuple[str, ...] = ()


class Web:
    """What the routes share. Holds no state of a request."""

    def __init__(self, deps: CockpitDeps) -> None:
        self.deps = deps
        self.policy = deps.settings.policy
        self.assets = Assets(deps.prefix)
        self.accounts = CockpitAccounts(deps.database)
        self.reads = CockpitReads(deps.database, self.policy)
        self.guard = Guard(
            self.accounts,
            deps.clock,
            secure=deps.settings.secure_cookies,
            hours=deps.settings.session_hours,
            prefix=deps.prefix,
        )
        self.jinja = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        zone = self.policy.time_zone
        self._render = deps.render or (lambda message, locale: render(message, locale, zone))

    # -- the request's tastes ----------------------------------------------------------------------------------------------

    def locale(self, request: Request) -> str:
        """The chosen language, else the browser's first that we speak, else the default."""
        chosen = request.cookies.get("ceo_locale")
        if chosen in LOCALES:
            return chosen
        for part in request.headers.get("accept-language", "").split(","):
            wish = part.split(";")[0].strip().lower()
            if wish.startswith("pt"):
                return "pt-BR"
            if wish.startswith("en"):
                return "en"
        return self.deps.settings.default_locale

    def theme(self, request: Request) -> str | None:
        chosen = request.cookies.get("ceo_theme")
        return chosen if chosen in THEMES else None

    def speaker(self, request: Request) -> Speaker:
        locale = self.locale(request)
        return Speaker(Words(locale), Numbers(locale, self.policy.time_zone), self._render, self.deps.clock.now())

    # -- answers -------------------------------------------------------------------------------------------------------------

    def template(self, name: str, context: dict[str, Any]) -> str:
        return self.jinja.get_template(name).render(context)

    def base(self, request: Request, session: Session | None) -> dict[str, Any]:
        """What every template may use."""
        speaker = self.speaker(request)
        settings = self.deps.settings
        return {
            "t": speaker.words,
            "n": speaker.numbers,
            "say": speaker,
            "lang": speaker.words.locale,
            "theme": self.theme(request),
            "session": session,
            "may_decide": session is not None and session.may("manager"),
            "csrf": session.csrf if session else form_token(self._visitor(request)),
            "url": lambda path="": f"{self.deps.prefix}{path}" or "/",
            "asset": self.assets.url,
            "settings": settings,
            "policy": self.policy,
            "now": self.deps.clock.now(),
            "here": request.url.path,
        }

    def page(
        self, request: Request, name: str, session: Session | None, context: dict[str, Any], status: int = 200
    ) -> HTMLResponse:
        """A whole page, with the flash message of the last action."""
        flash = self._take_flash(request, session)
        body = self.template(name, self.base(request, session) | {"flash": flash} | context)
        response = HTMLResponse(body, status_code=status, headers={"Cache-Control": "no-store"})
        if flash is not None:
            response.delete_cookie(_FLASH, path=self.deps.prefix or "/")
        if session is None and request.cookies.get(self.guard.visitor_cookie) != self._visitor(request):
            self.guard.put(response, self.guard.visitor_cookie, self._visitor(request))
        return response

    def html(self, body: str, status: int = 200) -> HTMLResponse:
        return HTMLResponse(body, status_code=status, headers={"Cache-Control": "no-store"})

    def redirect(self, request: Request, path: str, *, flash: Flash | None = None, session: Session | None = None) -> Response:
        """303 to a path of ours, with a message to show there."""
        response = RedirectResponse(f"{self.deps.prefix}{path}" or "/", status_code=303)
        secret = session.secret if session else self._visitor(request)
        if flash is not None:
            text = json.dumps([flash.tone, flash.text[:1000], [d[:280] for d in flash.details[:5]]], ensure_ascii=False)
            packed = base64.urlsafe_b64encode(text.encode()).decode()
            self.guard.put(response, _FLASH, f"{packed}.{sign(secret, packed)}", seconds=60)
        return response

    def _visitor(self, request: Request) -> str:
        """The visitor's random cookie; made once per request when there is none."""
        known = request.cookies.get(self.guard.visitor_cookie)
        if known:
            return known
        made: str | None = getattr(request.state, "cockpit_visitor", None)
        if made is None:
            made = secrets.token_urlsafe(24)
            request.state.cockpit_visitor = made
        return made

    def _take_flash(self, request: Request, session: Session | None) -> Flash | None:
        packed, _, signature = request.cookies.get(_FLASH, "").rpartition(".")
        if not packed:
            return None
        secrets_known = [session.secret] if session else []
        secrets_known.append(self._visitor(request))
        if not any(hmac.compare_digest(sign(secret, packed), signature) for secret in secrets_known):
            return None
        try:
            tone, text, details = json.loads(base64.urlsafe_b64decode(packed))
        except (ValueError, binascii.Error):
            return None
        return Flash(tone, text, tuple(details))

    def problem(self, request: Request, session: Session | None, key: str, status: int) -> Response:
        """An error as a page, or as a notice where htmx asked."""
        words = Words(self.locale(request))
        text = words(key, role=words(f"role.{session.role}")) if key == "error.forbidden" and session else words(key)
        if is_partial(request):
            body = self.template("notice.html", self.base(request, session) | {"flash": Flash("bad", text)})
            return HTMLResponse(body, status_code=status, headers={"HX-Retarget": "#notice", "HX-Reswap": "innerHTML"})
        return self.page(request, "error.html", session, {"problem": text}, status)

    def route_class(self) -> type[APIRoute]:
        """Routes that turn our exceptions into answers and put the headers on all of them."""
        web = self

        class CockpitRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()

                async def guarded(request: Request) -> Response:
                    if int(request.headers.get("content-length") or 0) > MAX_FORM:
                        response = web.problem(request, None, "error.too_long", 413)
                    else:
                        try:
                            response = await handle(request)
                        except LoginNeeded:
                            response = _to_login(web, request)
                        except Forbidden as refusal:
                            session = await web.guard.session(request)
                            response = web.problem(request, session, refusal.key, 403)
                        except (HTTPException, RequestValidationError):
                            raise
                        except Exception as fault:  # the edge of the program: a page in words, and nothing of the inside
                            faults.note(fault, request.url.path)
                            response = web.problem(request, None, "error.unexpected", 500)
                    for name, value in HEADERS.items():
                        response.headers.setdefault(name, value)
                    return response

                return guarded

        return CockpitRoute


async def field(request: Request, name: str) -> str:
    """One text field of the form, trimmed and without control characters; empty when absent."""
    value = (await request.form()).get(name, "")
    return clean(value).strip() if isinstance(value, str) else ""


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


def is_partial(request: Request) -> bool:
    """Whether htmx asked for a part of a page."""
    return request.headers.get("hx-request") == "true"


def _to_login(web: Web, request: Request) -> Response:
    target = f"{web.deps.prefix}/login"
    if is_partial(request):
        return Response(status_code=200, headers={"HX-Redirect": target})
    return RedirectResponse(target, status_code=303)
