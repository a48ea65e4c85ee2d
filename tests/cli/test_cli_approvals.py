"""Deciding from the terminal: the same requests, the same gate, the same record as in the cockpit."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from knowledge.domain.clock import SettableClock
from runtime.cli import app
from runtime.cli_gate import login
from runtime.settings import Secrets

ROOT = Path(__file__).resolve().parents[2]
STORY = timedelta(hours=7, minutes=30)
NOW = datetime(2026, 11, 25, 18, 0, tzinfo=UTC)
"""An afternoon in São Paulo: no limit of a day lies between the story and the end of its requests."""


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    import logging

    import structlog

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


RITA = "rita@example.com"


def known_at_the_terminal(text: str, who: str = RITA) -> str:
    """The operator's file, in which the login that runs the tests is an account."""
    assert "\nterminal: {}" in text
    return text.replace("\nterminal: {}", f"\nterminal: {{{login()}: {who}}}")


@pytest.fixture
def ids(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A seeded week whose last requests wait now, and the ad accounts that the terminal reaches."""
    from runtime.cockpit.auth import ensure_user
    from runtime.db.engine import make_engine
    from runtime.db.uow import Database
    from tests.cockpit.seed import make_gate, seed
    from tools.effects import Ports

    for name in Secrets.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CEO_DATA_DIR", str(tmp_path / "data"))
    config = tmp_path / "agentos.yaml"
    config.write_text(known_at_the_terminal((ROOT / "agentos.yaml").read_text(encoding="utf-8")), encoding="utf-8")
    monkeypatch.setenv("CEO_CONFIG", str(config))
    monkeypatch.setenv("CEO_SECRET_KEY", "k" * 40)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    made: dict[str, Any] = {}

    async def story() -> dict[str, str]:
        database = Database(make_engine(database_url))
        clock = SettableClock(NOW - STORY)
        gate, made["ads"] = make_gate(database, clock)
        try:
            await ensure_user(database, RITA, "a long password", "manager", clock)
            return await seed(database, gate, clock)
        finally:
            await database.dispose()

    found = asyncio.run(story())
    import runtime.cli_gate
    import runtime.wiring

    monkeypatch.setattr(runtime.cli_gate, "SystemClock", lambda: SettableClock(NOW))
    monkeypatch.setattr(runtime.wiring, "connect", lambda *_: (Ports(ads=made["ads"]), None))
    return found


def ceo(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def said(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout)


def test_the_list_and_the_card_say_rule_number_limit_and_what_to_do(ids: dict[str, str]) -> None:
    queue = said(ceo("approvals", "list", "--json"))
    assert [one["action_id"] for one in queue["pending"]] == [ids["budget"], ids["pause"]] and queue["scheduled"] == []
    asked = next(f for f in queue["pending"][0]["findings"] if f["rule"] == "approval_above")
    assert (asked["measured"], asked["limit"]) == (["mudança", "+30%"], ["limite", "20%"])
    words = " ".join(ceo("approvals", "show", ids["budget"]).stdout.split())
    for part in (
        "R$ 42,00",
        "R$ 54,60",
        "Mudança grande: 30%",
        "Ajuste em agentos.yaml guardrails.financial.approval_above",
        "limite 20%",
        "Pior gasto a mais até expirar",
        "R$ 15,12",
        "Lucro em 7 dias +R$ 310,00",
        f"ceo approvals approve {ids['budget']}",
        f"ceo approvals edit {ids['budget']} --budget",
        "Uma aprovação",
        "2,61",
    ):
        assert part.replace("\xa0", " ") in words.replace("\xa0", " "), part
    words = " ".join(ceo("approvals", "show", ids["publish"]).stdout.split()).replace("\xa0", " ")
    for part in ("Teto diário: no pior caso", "R$ 304,65", "teto R$ 300,00", "O que fazer: Até R$ 12,67 por dia caberia"):
        assert part in words, part
    assert "ceo approvals approve" not in words, "nothing waits"
    assert "Cotações usadas" not in words and "pede aprovação" not in words, "only what refuses, and only what says something"
    assert "Prazo encerrado" not in ceo("approvals", "show", ids["marca"]).stdout
    assert said(ceo("approvals", "show", ids["budget"], "--json"))["timeline"][0]["what"] == "Pedido de aprovação"
    assert ceo("approvals", "show", "00000000-0000-0000-0000-000000000000").exit_code == 2


def test_several_are_approved_at_once_and_done(ids: dict[str, str]) -> None:
    done = ceo("approvals", "approve", ids["budget"], ids["pause"], "--json")
    assert (done.exit_code, [one["status"] for one in said(done)["results"]]) == (0, ["done", "done"]), done.stdout
    again = ceo("approvals", "approve", ids["budget"], ids["pause"])
    assert again.exit_code == 1 and "0 of 2" in again.output
    assert said(ceo("approvals", "list", "--json"))["pending"] == []


def test_reject_extend_and_withdraw(ids: dict[str, str]) -> None:
    more = ceo("approvals", "extend", ids["budget"], "--hours", "3", "--json")
    assert (more.exit_code, said(more)["message_id"]) == (0, "gate.extended")
    assert said(ceo("approvals", "extend", ids["budget"], "--hours", "700", "--json"))["message_id"] == "gate.extend_limit"
    assert said(ceo("approvals", "withdraw", ids["budget"], "--reason", "engano", "--json"))["status"] == "cancelled"
    assert said(ceo("approvals", "reject", ids["pause"], "--reason", "não agora", "--json"))["status"] == "rejected"
    assert "não agora" in ceo("approvals", "show", ids["pause"]).stdout
    early = ceo("approvals", "act-early", ids["pause"], "--json")
    assert (early.exit_code, said(early)["message_id"]) == (1, "gate.already_decided")


def test_edit_says_what_the_rules_say_before_and_makes_a_new_request(ids: dict[str, str]) -> None:
    preview = ceo("approvals", "edit", ids["budget"], "--budget", "190", "--preview", "--json")
    assert (preview.exit_code, said(preview)["status"]) == (1, "refuse")
    assert any("50%" in line for line in said(preview)["findings"])
    assert ceo("approvals", "edit", ids["budget"], "--budget", "1.23.4", "--reason", "x").exit_code == 2
    assert ceo("approvals", "edit", ids["budget"], "--budget", "52").exit_code == 2  # no reason
    unknown = ceo("approvals", "edit", "00000000-0000-0000-0000-000000000000", "--budget", "52", "--reason", "x")
    assert unknown.exit_code == 2 and "not in the record" in unknown.stderr
    wrong = said(ceo("approvals", "edit", ids["budget"], "--set", "campaign_id=c-marca", "--reason", "x", "--json"))
    assert wrong["message_id"] == "gate.edit_field"
    edited = said(ceo("approvals", "edit", ids["budget"], "--budget", "52,50", "--reason", "menos", "--json"))
    assert edited["ok"] and edited["action_id"] != ids["budget"]
    made = said(ceo("approvals", "show", edited["action_id"], "--json"))
    assert made["args"]["daily_budget"]["minor"] == 5250 and made["edited_from"] == ids["budget"]


@pytest.mark.parametrize("reason", ["", "   ", "\x07"])
def test_a_no_without_a_reason_is_refused_by_name(ids: dict[str, str], reason: str) -> None:
    for command in (("reject",), ("withdraw",), ("edit", "--budget", "52")):
        result = ceo("approvals", command[0], ids["budget"], *command[1:], "--reason", reason)
        assert result.exit_code == 2 and "--reason" in result.output, result.output
    assert ceo("approvals", "reject", ids["budget"], "--reason", "\udcff caro").exit_code == 0
    assert "\ufffd caro" in ceo("approvals", "show", ids["budget"]).stdout


def test_a_refusal_does_not_tell_the_manager_to_approve(ids: dict[str, str]) -> None:
    preview = ceo("approvals", "edit", ids["budget"], "--budget", "190", "--preview", "--json")
    assert all("aprova" not in line.lower() for line in said(preview)["findings"]), said(preview)["findings"]


def test_the_card_of_a_done_action_says_how_it_turned_out(ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(ceo("approvals", "show", ids["marca"], "--json"))["verdicts"] == []
    from knowledge.domain.message import Message
    from runtime.db.outcomes import Outcomes

    class Judged:
        metric, verdict, better, final = "profit", "above", True, False
        message = Message(id="gate.done", params={"kind": "campaign.set_budget"})

    async def of(self: Any, wanted: Any) -> Any:
        return {one: [Judged()] for one in wanted}

    monkeypatch.setattr(Outcomes, "of", of)
    (verdict,) = said(ceo("approvals", "show", ids["marca"], "--json"))["verdicts"]
    assert (verdict["verdict"], verdict["better"], verdict["final"]) == ("above", True, False)
    assert "Veredito" in ceo("approvals", "show", ids["marca"]).stdout


def test_undo_shows_first_and_then_restores(ids: dict[str, str]) -> None:
    plan = ceo("undo", ids["marca"], "--preview", "--json")
    assert (plan.exit_code, said(plan)["action"]["daily_budget"]["minor"]) == (0, 2500), plan.output
    undone = ceo("undo", ids["marca"], "--reason", "caro", "--json")
    assert undone.exit_code == 0, undone.output
    again = ceo("undo", ids["marca"], "--json")
    assert again.exit_code == 1 and said(again)["message_id"].startswith("undo.")
    assert ceo("undo").exit_code == 2
    assert ceo("undo", "--batch", "no-such-cause").exit_code == 2


def test_a_token_is_the_accounts_and_no_stranger_gets_one(ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    import runtime.cli_gate
    from runtime.api import DECIDE, READ, read_token
    from runtime.wiring import SystemClock

    monkeypatch.setattr(runtime.cli_gate, "SystemClock", SystemClock)  # a token is read by the time that it is
    assert ceo("user", "token", "ana@example.com").exit_code == 2
    assert ceo("user", "add", "ana@example.com", "--role", "manager", "--password", "correto cavalo").exit_code == 0
    claims = read_token(said(ceo("user", "token", "ana@example.com", "--json"))["token"], "k" * 40)
    assert claims is not None and (claims["sub"], claims["scopes"]) == ("ana@example.com", [READ, DECIDE])
    reading = read_token(ceo("user", "token", "ana@example.com", "--read-only").stdout.strip(), "k" * 40)
    assert reading is not None and reading["scopes"] == [READ]
    assert read_token(ceo("user", "token", "ana@example.com").stdout.strip(), "j" * 40) is None


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("1e5", "não é um valor"),
        ("50 a 60", "não é um valor"),
        ("0x10", "não é um valor"),
        ("5 mil e pouco", "não é um valor"),
        ("US$ 52", "outra moeda"),
        ("52 USD", "outra moeda"),
    ],
)
def test_an_amount_is_read_whole_or_refused_with_what_was_typed(ids: dict[str, str], typed: str, problem: str) -> None:
    wrong = ceo("approvals", "edit", ids["budget"], "--budget", typed, "--preview")
    assert wrong.exit_code == 2 and typed in wrong.stderr and problem in " ".join(wrong.stderr.split())


def test_thousands_are_understood_exactly(ids: dict[str, str]) -> None:
    edited = said(ceo("approvals", "edit", ids["budget"], "--budget", "R$ 0,05 mil", "--reason", "menos", "--json"))
    assert said(ceo("approvals", "show", edited["action_id"], "--json"))["args"]["daily_budget"]["minor"] == 5000


def put_terminal(text: str) -> None:
    """Another `terminal` line in the operator's file of the test."""
    path = Path(os.environ["CEO_CONFIG"])
    path.write_text(re.sub(r"\nterminal: .*", f"\nterminal: {text}", path.read_text(encoding="utf-8")), encoding="utf-8")


def test_a_login_decides_as_its_account_and_in_its_role(ids: dict[str, str]) -> None:
    assert said(ceo("approvals", "reject", ids["budget"], "--reason", "caro", "--json"))["ok"]
    shown = said(ceo("approvals", "show", ids["budget"], "--json"))
    assert shown["decided_by"] == f"user:{RITA}", "the same person as in the cockpit"


@pytest.mark.parametrize("who", ["nobody@example.com", "rita"])
def test_a_terminal_line_without_an_account_is_named(ids: dict[str, str], who: str) -> None:
    put_terminal(f"{{{login()}: {who}}}")
    result = ceo("approvals", "approve", ids["budget"])
    assert result.exit_code == 2
    assert f"terminal.{login()}" in result.stderr and f"ceo user add {who}" in result.stderr


def test_a_bare_login_is_nobodys_second_person(ids: dict[str, str]) -> None:
    mine = said(ceo("approvals", "edit", ids["budget"], "--budget", "52,50", "--reason", "menos", "--json"))["action_id"]
    put_terminal("{}")
    edit = ("approvals", "edit", ids["marca"], "--budget", "60", "--reason", "x")
    undo = ("undo", ids["marca"], "--reason", "x")
    for command in (edit, ("approvals", "approve", mine), ("approvals", "act-early", mine), undo):
        refused = ceo(*command)
        assert refused.exit_code == 2, refused.output
        assert "terminal: {" in refused.stderr and "nobody counts as two people" in " ".join(refused.stderr.split())


@pytest.mark.parametrize("cause", ["nope", "\udcff"])
def test_an_undo_of_a_cause_that_is_none_is_bad_input(ids: dict[str, str], cause: str) -> None:
    result = ceo("undo", "--batch", cause)
    assert result.exit_code == 2 and "correlation_id" in result.output and "unexpected" not in result.output
