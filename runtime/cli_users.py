"""Accounts of the cockpit from the terminal."""

from __future__ import annotations

import asyncio
import re

from knowledge.domain.clock import Clock
from runtime.cli_database import database
from runtime.settings import ConfigError, Settings

ROLES = ("viewer", "manager", "admin")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def put(settings: Settings, email: str, role: str, password: str, clock: Clock) -> None:
    """Makes the account, or gives an existing one this role and password. Raises ConfigError naming what is wrong."""
    if role not in ROLES:
        raise ConfigError([f"role: {role!r} is unknown; one of {', '.join(ROLES)}"])
    if not _EMAIL.fullmatch(email):
        raise ConfigError([f"email: {email!r} is not an address; write it like ana@example.com"])
    if len(password) < 8:
        raise ConfigError(["password: is shorter than 8 characters; choose a longer one"])
    with database(settings.secrets) as url:
        asyncio.run(_put(url, email, role, password, clock))


async def _put(url: str, email: str, role: str, password: str, clock: Clock) -> None:
    from runtime.cockpit.auth import ensure_user
    from runtime.db.engine import make_engine, normalise_url
    from runtime.db.migrate import migrate_async
    from runtime.db.uow import Database

    await migrate_async(url)
    db = Database(make_engine(normalise_url(url), pool_size=1, max_overflow=0))
    try:
        await ensure_user(db, email, password, role, clock)  # pyright: ignore[reportArgumentType]
    finally:
        await db.dispose()
