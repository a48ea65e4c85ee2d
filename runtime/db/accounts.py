"""People of the cockpit: accounts, sessions, failed logins, and what they said to the CEO."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping

from runtime.db.repository import Repository, as_json, is_id, new_id

Role = Literal["viewer", "manager", "admin"]


@dataclass(frozen=True)
class User:
    """An account. `password_hash` is None for people who log in elsewhere (Supabase Auth)."""

    id: str
    email: str
    password_hash: str | None
    role: Role
    locale: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True)
class WebSession:
    """A live session and whose it is. Only a hash of the cookie is stored."""

    id_hash: str
    csrf: str
    expires_at: datetime
    last_seen_at: datetime
    user: User


@dataclass(frozen=True)
class ChatMessage:
    """One line of a manager's talk with the CEO; `rows` are the records that an answer cites."""

    id: str
    user_id: str
    role: Literal["user", "ceo", "system"]
    body: str
    rows: list[Any]
    at: datetime


class Users(Repository):
    """Table users. E-mails are compared in lower case."""

    async def add(
        self, email: str, *, role: Role, at: datetime, password_hash: str | None = None, locale: str = "pt-BR"
    ) -> User | None:
        """A new account; None when the e-mail has one."""
        row = await self.one(
            """insert into users (id, email, password_hash, role, locale, created_at)
               values (:id, :email, :hash, :role, :locale, :at) on conflict (email) do nothing returning *""",
            id=new_id(), email=email.strip().lower(), hash=password_hash, role=role, locale=locale, at=at,
        )  # fmt: skip
        return None if row is None else _user(row)

    async def get(self, user_id: str) -> User | None:
        if not is_id(user_id):
            return None
        row = await self.one("select * from users where id = :id", id=user_id)
        return None if row is None else _user(row)

    async def by_email(self, email: str) -> User | None:
        row = await self.one("select * from users where email = :email", email=email.strip().lower())
        return None if row is None else _user(row)

    async def list(self) -> list[User]:
        """By e-mail."""
        return [_user(row) for row in await self.all("select * from users order by email")]

    async def change(
        self, user_id: str, *, role: Role | None = None, password_hash: str | None = None, locale: str | None = None
    ) -> bool:
        """Changes what is given. False when there is no such account."""
        return await self.once(
            """update users set role = coalesce(:role, role), password_hash = coalesce(:hash, password_hash),
                 locale = coalesce(:locale, locale) where id = :id""",
            id=user_id, role=role, hash=password_hash, locale=locale,
        )  # fmt: skip

    async def disable(self, user_id: str, *, at: datetime) -> bool:
        """Shuts an account and ends its sessions at once."""
        await self.run("delete from web_sessions where user_id = :id", id=user_id)
        return await self.once("update users set disabled_at = :at where id = :id and disabled_at is null", id=user_id, at=at)


class Sessions(Repository):
    """Tables web_sessions and login_attempts."""

    async def open(self, id_hash: str, user_id: str, *, csrf: str, at: datetime, expires_at: datetime) -> None:
        await self.run(
            """insert into web_sessions (id_hash, user_id, csrf, created_at, expires_at, last_seen_at)
               values (:id, :user, :csrf, :at, :expires, :at)""",
            id=id_hash, user=user_id, csrf=csrf, at=at, expires=expires_at,
        )  # fmt: skip

    async def find(self, id_hash: str, *, at: datetime) -> WebSession | None:
        """The session if it has not expired and its account is not disabled; notes that it was seen."""
        row = await self.one(
            """update web_sessions s set last_seen_at = greatest(s.last_seen_at, :at) from users u
               where s.id_hash = :id and s.expires_at > :at and u.id = s.user_id and u.disabled_at is null
               returning s.id_hash, s.csrf, s.expires_at, s.last_seen_at, u.*""",
            id=id_hash, at=at,
        )  # fmt: skip
        if row is None:
            return None
        return WebSession(row["id_hash"], row["csrf"], row["expires_at"], row["last_seen_at"], _user(row))

    async def close(self, id_hash: str) -> bool:
        return await self.once("delete from web_sessions where id_hash = :id", id=id_hash)

    async def close_all(self, user_id: str, *, except_id_hash: str = "") -> int:
        """Ends an account's sessions, but the one given (after a change of password)."""
        return await self.run(
            "delete from web_sessions where user_id = :user and id_hash <> :kept", user=user_id, kept=except_id_hash
        )

    async def attempted(self, email: str, address: str, *, succeeded: bool, at: datetime) -> None:
        """Notes a login attempt."""
        await self.run(
            "insert into login_attempts (id, email, address, succeeded, at) values (:id, :email, :address, :succeeded, :at)",
            id=new_id(), email=email.strip().lower(), address=address, succeeded=succeeded, at=at,
        )  # fmt: skip

    async def failures(self, *, email: str, address: str, since: datetime) -> tuple[int, int]:
        """Failed attempts since a moment: (for the e-mail after its last success, from the address)."""
        row = await self.one(
            """select
                 (select count(*) from login_attempts a where a.email = :email and not a.succeeded and a.at >= :since
                    and a.at > coalesce((select max(s.at) from login_attempts s where s.email = :email and s.succeeded),
                      '-infinity')) as by_email,
                 (select count(*) from login_attempts where address = :address and not succeeded and at >= :since) as by_address""",
            email=email.strip().lower(), address=address, since=since,
        )  # fmt: skip
        return (0, 0) if row is None else (row["by_email"], row["by_address"])

    async def purge(self, now: datetime) -> int:
        """Deletes expired sessions."""
        return await self.run("delete from web_sessions where expires_at <= :now", now=now)


class Chat(Repository):
    """Table chat_messages."""

    async def add(
        self, user_id: str, role: Literal["user", "ceo", "system"], body: str, *, at: datetime, rows: list[Any] | None = None
    ) -> str:
        """Stores a line and returns its id."""
        message_id = new_id()
        await self.run(
            "insert into chat_messages (id, user_id, role, body, rows, at) values (:id, :user, :role, :body, :rows, :at)",
            id=message_id, user=user_id, role=role, body=body, rows=as_json(rows or []), at=at,
        )  # fmt: skip
        return message_id

    async def history(self, user_id: str, *, limit: int = 100) -> list[ChatMessage]:
        """The last lines, oldest first."""
        rows = await self.all(
            "select * from (select * from chat_messages where user_id = :user order by at desc, id limit :limit) m order by at, id",
            user=user_id, limit=limit,
        )  # fmt: skip
        return [ChatMessage(str(row["id"]), str(row["user_id"]), row["role"], row["body"], row["rows"], row["at"]) for row in rows]


def _user(row: RowMapping) -> User:
    return User(
        str(row["id"]), row["email"], row["password_hash"], row["role"], row["locale"], row["created_at"], row["disabled_at"]
    )
