"""Accounts of the cockpit: users, sessions by the hash of their id, login attempts, acknowledgements, the chat's past lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import text

from runtime.db.uow import Database

Role = Literal["viewer", "manager", "admin"]


@dataclass(frozen=True)
class UserRow:
    """One account. `password_hash` is None for people who sign in elsewhere (Supabase Auth)."""

    id: str
    email: str
    password_hash: str | None
    role: Role
    disabled: bool


@dataclass(frozen=True)
class SessionRow:
    """A live session and whose it is."""

    user_id: str
    email: str
    role: Role
    csrf: str


@dataclass(frozen=True)
class ChatLine:
    """One line of a manager's chat with the CEO; `rows` are the records that an answer cites."""

    role: str
    body: str
    rows: tuple[Mapping[str, Any], ...]
    at: datetime


class CockpitAccounts:
    """Errands of the cockpit's forms, each its own transaction. Moments are passed in; e-mails are compared in lower case."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _first(self, sql: str, **values: Any) -> Any | None:
        async with self._database.transaction() as tx:
            return (await tx.conn.execute(text(sql), values)).first()

    async def _run(self, sql: str, **values: Any) -> None:
        async with self._database.transaction() as tx:
            await tx.conn.execute(text(sql), values)

    async def user(self, email: str) -> UserRow | None:
        row = await self._first(
            "select id, email, password_hash, role, disabled_at from users where email = :email", email=email.strip().lower()
        )
        if row is None:
            return None
        return UserRow(str(row.id), row.email, row.password_hash, row.role, row.disabled_at is not None)

    async def put_user(self, email: str, password_hash: str, role: Role, now: datetime) -> str:
        """Creates the account, or gives the existing one this password and role and ends its sessions. Returns its id.

        A disabled account stays disabled.
        """
        async with self._database.transaction() as tx:
            found = await tx.conn.execute(
                text(
                    "insert into users (id, email, password_hash, role, created_at) values (:id, :email, :hash, :role, :now) "
                    "on conflict (email) do update set password_hash = excluded.password_hash, role = excluded.role returning id"
                ),
                {"id": uuid4(), "email": email.strip().lower(), "hash": password_hash, "role": role, "now": now},
            )
            user_id = found.scalar_one()
            await tx.conn.execute(text("delete from web_sessions where user_id = :id"), {"id": user_id})
            return str(user_id)

    async def open_session(self, id_hash: str, user_id: str, csrf: str, now: datetime, life: timedelta) -> None:
        """Also sweeps sessions that have ended."""
        async with self._database.transaction() as tx:
            await tx.conn.execute(text("delete from web_sessions where expires_at <= :now"), {"now": now})
            await tx.conn.execute(
                text(
                    "insert into web_sessions (id_hash, user_id, csrf, created_at, expires_at, last_seen_at) "
                    "values (:id, :user, :csrf, :now, :until, :now)"
                ),
                {"id": id_hash, "user": UUID(user_id), "csrf": csrf, "now": now, "until": now + life},
            )

    async def session(self, id_hash: str, now: datetime) -> SessionRow | None:
        """The session if it lives and its user is enabled. Noted as seen at most once a minute."""
        row = await self._first(
            "select u.id, u.email, u.role, s.csrf, s.last_seen_at from web_sessions s join users u on u.id = s.user_id "
            "where s.id_hash = :id and s.expires_at > :now and u.disabled_at is null",
            id=id_hash,
            now=now,
        )
        if row is None:
            return None
        if now - row.last_seen_at > timedelta(minutes=1):
            await self._run("update web_sessions set last_seen_at = :now where id_hash = :id", now=now, id=id_hash)
        return SessionRow(str(row.id), row.email, row.role, row.csrf)

    async def close_session(self, id_hash: str) -> None:
        await self._run("delete from web_sessions where id_hash = :id", id=id_hash)

    async def failures(self, email: str, address: str, since: datetime) -> tuple[int, int]:
        """Failed logins since a moment: (of this e-mail since its last success, from this address)."""
        row = await self._first(
            "select count(*) filter (where email = :email and at > coalesce((select max(s.at) from login_attempts s "
            "where s.email = :email and s.succeeded), '-infinity')) as by_email, "
            "count(*) filter (where address = :address) as by_address "
            "from login_attempts where not succeeded and at > :since and (email = :email or address = :address)",
            email=email.strip().lower(),
            address=address,
            since=since,
        )
        return (0, 0) if row is None else (int(row.by_email), int(row.by_address))

    async def record_attempt(self, email: str, address: str, succeeded: bool, now: datetime) -> None:
        await self._run(
            "insert into login_attempts (id, email, address, succeeded, at) values (:id, :email, :address, :ok, :now)",
            id=uuid4(),
            email=email.strip().lower()[:320],
            address=address,
            ok=succeeded,
            now=now,
        )

    async def acknowledge(self, alert_id: str, by: str, now: datetime) -> bool:
        """Marks an open alert as seen and tells open pages; False when it was seen or resolved before."""
        async with self._database.transaction() as tx:
            done = await tx.alerts.acknowledge(alert_id, by, at=now)
            if done:
                tx.live_events.publish("alert.acknowledged", {"alert_id": alert_id, "by": by}, at=now)
            return done

    async def say(
        self, user_id: str, role: Literal["user", "ceo"], body: str, rows: Sequence[Mapping[str, Any]], now: datetime
    ) -> None:
        """Keeps one line of the chat."""
        await self._run(
            "insert into chat_messages (id, user_id, role, body, rows, at) "
            "values (:id, :user, :role, :body, cast(:rows as jsonb), :now)",
            id=uuid4(),
            user=UUID(user_id),
            role=role,
            body=body,
            rows=json.dumps([dict(row) for row in rows], default=str),
            now=now,
        )

    async def chat(self, user_id: str, limit: int) -> list[ChatLine]:
        """The last lines, oldest first."""
        async with self._database.transaction() as tx:
            found = await tx.conn.execute(
                text("select role, body, rows, at from chat_messages where user_id = :user order by at desc, seq desc limit :n"),
                {"user": UUID(user_id), "n": limit},
            )
            return [ChatLine(row.role, row.body, tuple(row.rows), row.at) for row in reversed(found.all())]
