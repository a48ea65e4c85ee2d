"""Who is asking: passwords, sessions, roles, request forgery, login limits.

Cookies carry random ids; the database holds only their hash.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import Request, Response, WebSocket

from knowledge.domain.action import Actor
from knowledge.domain.clock import Clock
from runtime.db.cockpit_accounts import CockpitAccounts, Role

if TYPE_CHECKING:
    from argon2 import PasswordHasher

    from runtime.db.uow import Database

RANK: dict[str, int] = {"viewer": 0, "manager": 1, "admin": 2}
API = "/api/v1"
WINDOW = timedelta(minutes=15)
BY_EMAIL, BY_ADDRESS = 5, 20
"""Failed logins within the window after which an e-mail or an address must wait."""


class LoginNeeded(Exception):
    """No live session: the person is sent to the login page."""


class Forbidden(Exception):
    """A session without the right, or a request that did not come from our own page. `key` names the sentence."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True)
class Session:
    """The person behind a request. `secret` is the raw cookie, never stored."""

    user_id: str
    email: str
    role: Role
    csrf: str
    secret: str

    @property
    def actor(self) -> Actor:
        return Actor(kind="user", id=self.email, role=self.role)

    def may(self, role: Role) -> bool:
        return RANK[self.role] >= RANK[role]


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _decoy() -> str:
    """A hash to check against when there is no such user, so that both answers take the same time."""
    return _hasher().hash(secrets.token_urlsafe(16))


def _matches(stored: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def ensure_user(database: Database, email: str, password: str, role: Role, clock: Clock) -> str:
    """Creates the account or gives it this password and role; returns its id. Raises ValueError for a password under 8."""
    if len(password) < 8:
        raise ValueError("password: is shorter than 8 characters")
    hashed = await asyncio.to_thread(_hasher().hash, password)
    return await CockpitAccounts(database).put_user(email.strip(), hashed, role, clock.now())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def form_token(secret: str) -> str:
    """The forgery token of a visitor without session, bound to a random cookie."""
    return hmac.new(secret.encode(), b"cockpit form", "sha256").hexdigest()


def sign(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()[:32]


class Guard:
    """Sessions and their cookies. One per cockpit."""

    def __init__(self, accounts: CockpitAccounts, clock: Clock, *, secure: bool, hours: int, prefix: str) -> None:
        self._accounts = accounts
        self._clock = clock
        self._secure = secure
        self._life = timedelta(hours=hours)
        self._path = prefix or "/"
        host = "__Host-" if secure and self._path == "/" else ""
        self.session_cookie = f"{host}ceo_session"
        self.visitor_cookie = f"{host}ceo_visitor"

    def put(self, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
        """An HttpOnly cookie of ours; None lasts as long as the browser."""
        for path in self._paths(name):
            response.set_cookie(name, value, max_age=seconds, path=path, secure=self._secure, httponly=True, samesite="lax")

    def drop(self, response: Response, name: str) -> None:
        for path in self._paths(name):
            response.delete_cookie(name, path=path, secure=self._secure, httponly=True, samesite="lax")

    def _paths(self, name: str) -> tuple[str, ...]:
        """The session is known to our pages and to the JSON API beside them, and to nothing else of this host."""
        return (self._path, API) if name == self.session_cookie and self._path != "/" else (self._path,)

    async def session(self, request: Request | WebSocket) -> Session | None:
        """The live session of a request, or None."""
        secret = request.cookies.get(self.session_cookie)
        if not secret:
            return None
        row = await self._accounts.session(_digest(secret), self._clock.now())
        return None if row is None else Session(row.user_id, row.email, row.role, row.csrf, secret)

    async def require(self, request: Request, role: Role = "viewer") -> Session:
        """The session, if it has the role. Raises LoginNeeded or Forbidden."""
        session = await self.session(request)
        if session is None:
            raise LoginNeeded
        if not session.may(role):
            raise Forbidden("error.forbidden")
        return session

    async def require_post(self, request: Request, role: Role = "viewer") -> Session:
        """The session behind a form: same origin and its token first, then the role."""
        session = await self.session(request)
        if session is None:
            raise LoginNeeded
        same_origin(request)
        form = await request.form()
        if not hmac.compare_digest(str(form.get("csrf", "")).encode(), session.csrf.encode()):
            raise Forbidden("error.csrf")
        if not session.may(role):
            raise Forbidden("error.forbidden")
        return session

    async def check_visitor(self, request: Request) -> None:
        """The same for a form that needs no session (login, language, theme). Raises Forbidden."""
        same_origin(request)
        form = await request.form()
        given = str(form.get("csrf", "")).encode()
        session = await self.session(request)
        secret = request.cookies.get(self.visitor_cookie, "")
        expected = session.csrf if session else form_token(secret) if secret else ""
        if not expected or not hmac.compare_digest(given, expected.encode()):
            raise Forbidden("error.csrf")

    async def wait(self, email: str, address: str) -> bool:
        """Whether this e-mail or address has failed too often to try again now."""
        by_email, by_address = await self._accounts.failures(email, address, self._clock.now() - WINDOW)
        return by_email >= BY_EMAIL or by_address >= BY_ADDRESS

    async def login(self, email: str, password: str, address: str) -> str | None:
        """The secret of a new session, or None when e-mail and password do not match. The attempt is recorded."""
        user = await self._accounts.user(email)
        stored = user.password_hash if user and user.password_hash and not user.disabled else None
        good = await asyncio.to_thread(_matches, stored or _decoy(), password) and stored is not None
        now = self._clock.now()
        await self._accounts.record_attempt(email, address, good, now)
        if user is None or not good:
            return None
        secret = secrets.token_urlsafe(32)
        await self._accounts.open_session(_digest(secret), user.id, secrets.token_urlsafe(24), now, self._life)
        return secret

    async def logout(self, session: Session) -> None:
        await self._accounts.close_session(_digest(session.secret))


def same_origin(request: Request | WebSocket) -> None:
    """Raises Forbidden when the browser says that the request came from another site."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Forbidden("error.csrf")
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Forbidden("error.csrf")
