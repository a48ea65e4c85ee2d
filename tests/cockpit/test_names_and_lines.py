"""How the cockpit names what it shows, and the order of what was said."""

from __future__ import annotations

from typing import Literal

import pytest

from runtime.cockpit.numbers import Numbers
from runtime.cockpit.speak import Speaker
from runtime.cockpit.words import Words
from runtime.db.cockpit_accounts import CockpitAccounts
from runtime.db.uow import Database
from tests.conftest import START


def speaker() -> Speaker:
    return Speaker(Words("pt-BR"), Numbers("pt-BR", "America/Sao_Paulo"), lambda message, _locale: message.id, START)


async def test_lines_of_one_moment_stay_in_the_order_in_which_they_were_said(database: Database) -> None:
    accounts = CockpitAccounts(database)
    user = await accounts.put_user("ana@example.com", "x", "manager", START)
    roles: tuple[Literal["user", "ceo"], ...] = ("user", "ceo")
    said: list[tuple[Literal["user", "ceo"], str]] = [(roles[number % 2], f"line {number}") for number in range(12)]
    for role, body in said:
        await accounts.say(user, role, body, (), START)
    assert [(line.role, line.body) for line in await accounts.chat(user, 100)] == said
    assert [line.body for line in await accounts.chat(user, 3)] == ["line 9", "line 10", "line 11"]


@pytest.mark.parametrize(
    ("name", "platform", "shown"),
    [
        ("Balança · TikTok", "tiktok", "Balança"),
        ("Balança · Tiktok", "tiktok", "Balança"),
        ("Balança · Meta", "tiktok", "Balança · Meta"),
        ("Meta", "meta", "Meta"),
        (" · Meta", "meta", " · Meta"),
        ("Verão", None, "Verão"),
    ],
)
def test_a_campaigns_name_does_not_say_its_platform_twice(name: str, platform: str | None, shown: str) -> None:
    assert speaker().campaign(name, platform) == shown


def test_a_process_that_carried_something_out_is_the_system() -> None:
    say = speaker()
    assert say.actor("eabf5976-1777-4ba7-9a11-e4448087274e") == say.actor("system:gate") == "sistema"
    assert say.actor("user:ana@example.com") == "ana@example.com"
