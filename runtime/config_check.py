"""`ceo config check`: what the operator's file means, as facts (a Report); runtime.check_report is the view of it."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH, ZoneInfo

from pydantic import BaseModel

from knowledge.domain.message import Message
from knowledge.domain.money import Money
from prompts.messages import LOCALES, format_value, render
from runtime import check_cache
from runtime.check_cache import Answer
from runtime.check_report import Report
from runtime.settings import ConfigError, Secrets, Settings, load_operator, load_secrets

NEEDS: dict[str, tuple[str, ...]] = {
    "meta": ("meta_access_token",),
    "tiktok": ("tiktok_access_token",),
    "zapi": ("zapi_token", "zapi_client_token"),
    "chatwoot": ("chatwoot_bot_token", "chatwoot_user_token"),
    "piperun": ("piperun_token",),
}
"""Secrets without which a configured vendor cannot be used (a test compares them with runtime.wiring)."""
ADVISED: dict[str, tuple[str, ...]] = {
    "meta": ("meta_app_secret",),
    "zapi": ("zapi_webhook_token",),
    "chatwoot": ("chatwoot_webhook_secret",),
}
"""Secrets without which its webhooks are refused or its requests are signed less strictly."""
MODEL_KEYS = {"openai": "openai_api_key", "anthropic": "anthropic_api_key"}
AGENTS = ("ceo", "scout", "copywriter", "media_buyer", "analyst", "sdr")


def answer(config: Path | None, locale: str | None, *, now: datetime, keep: bool = True, code: str | None = None) -> Answer:
    """Reads everything and explains it; a configuration that cannot be read is an answer too. With `keep`, the next time is told
    from it; `code` is the code's stamp of before it was loaded (default: of now)."""
    recorder = check_cache.Recorder(check_cache.Ask(str(config) if config else None, locale), code)
    names = [name.upper() for name in Secrets.model_fields]
    recorder.begin(check_cache.Basis(names, [], []))
    found = check_cache.Answer(None, [], now, now + check_cache.SPAN)
    try:
        secrets = load_secrets()
        file = config or secrets.ceo_config
        recorder.begin(check_cache.Basis(names, [str(file)], [agentos_source(), *_zone_data()]))
        settings = Settings(operator=load_operator(file), secrets=secrets, path=file)
        spoken = locale or settings.operator.locale
        report = check(settings, spoken, now=now)
        coming = fires(settings, spoken, now, check_cache.SPAN) if keep else {}
        found = replace(found, report=report, fires=coming)
    except ConfigError as error:
        found = replace(found, problems=error.problems)
    if keep:
        recorder.keep(found)
    return found


def _zone_data() -> list[str]:
    """Folders whose content says which time zones there are, and what they mean."""
    return [place for top in TZPATH for place in (top, str(Path(top, "tzdata.zi")), str(Path(top, "America")))]


def check(settings: Settings, locale: str, *, now: datetime) -> Report:
    """Explains the configuration in a locale; schedules are told from `now` on. Raises ConfigError for an unknown locale."""
    from tools.guardrails import RULES
    from tools.guardrails.operational import CONDUCT

    if locale not in LOCALES:
        raise ConfigError([f"--locale: {locale!r} is not spoken here; one of {', '.join(LOCALES)}"])
    operator = settings.operator
    policy = operator.policy()

    def say(message_id: str, **params: Any) -> str:
        return render(Message(id=message_id, params=params), locale, operator.time_zone)

    problems: list[str] = []
    return Report(
        file=str(settings.path),
        locale=locale,
        title=say("config.title", file=str(settings.path), version=policy.version),
        policy_version=policy.version,
        policy=[
            {"rule": rule.id, "sentence": render(rule.sentence(policy), locale), "dials": list(getattr(rule, "dials", ()))}
            for rule in (*RULES, *CONDUCT)
        ],
        dials=[
            {"dial": path, "value": _shown(path, value, locale), "meaning": say(f"dial.{path}")}
            for path, value in dials(operator)
            if not path.startswith("vendors.")
        ],
        vendors=_vendors(settings, say, problems),
        models=_models(settings, say, problems),
        schedules=_schedules(settings, say, now),
        problems=[*problems, *_agentos(settings, say)],
        notes=[] if settings.secrets.ceo_secret_key else [say("config.problem.serve_key")],
        headings={name: say(f"config.{name}") for name in ("policy", "dials", "vendors", "models", "none")}
        | {"schedules": say("config.schedules", zone=operator.time_zone)},
    )


def dials(part: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of every dial, in the file's order. Sections are walked into; amounts and tables are values."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, BaseModel) and not isinstance(value, Money):
            yield from dials(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(path: str, value: Any, locale: str) -> str:
    share = isinstance(value, Decimal) and path.rpartition(".")[2] in {
        "max_single_increase", "approval_above", "alert_at", "min_confidence", "ctr", "cvr", "cpa_of_aov", "reserve_share", "max_reallocation",
        "max_cumulative_increase", "strategy_touch_share", "strategy_pause_share", "rollback_drop",
    }  # fmt: skip
    if isinstance(value, dict):
        return ", ".join(f"{key} {format_value(item, locale)}" for key, item in value.items()) or "–"
    if value is None or value == () or value == "":
        return "–"
    return format_value(value, locale, "percent" if share else None)


def _missing(settings: Settings, names: tuple[str, ...]) -> list[str]:
    return [name.upper() for name in names if settings.secrets.get(name) is None]


def _vendors(settings: Settings, say: Any, problems: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in type(settings.operator.vendors).model_fields:
        if getattr(settings.operator.vendors, name) is None:
            rows.append({"vendor": name, "configured": False, "missing": [], "advised": [], "words": say("config.vendor.unused")})
            continue
        missing, advised = _missing(settings, NEEDS[name]), _missing(settings, ADVISED.get(name, ()))
        problems += [say("config.problem.secret", place=f"vendors.{name}", variable=variable) for variable in missing]
        if missing:
            words = say("config.vendor.missing", variables=", ".join(missing))
        elif advised:
            words = say("config.vendor.advised", variables=", ".join(advised))
        else:
            words = say("config.vendor.ready")
        rows.append({"vendor": name, "configured": True, "missing": missing, "advised": advised, "words": words})
    return rows


def _models(settings: Settings, say: Any, problems: list[str]) -> list[dict[str, Any]]:
    from agents.models import ModelConfigError, parse_spec

    crew = settings.operator.crew
    own: dict[str, str] = {str(agent): spec for agent, spec in crew.by_agent.items()}
    specs = [(f"crew.by_agent.{a}" if a in own else "crew.model", a, own.get(a, crew.model)) for a in AGENTS]
    specs += [(f"crew.fallback.{n}", "fallback", spec) for n, spec in enumerate(crew.fallback)]
    rows: list[dict[str, Any]] = []
    for place, agent, spec in specs:
        missing: list[str] = []
        try:
            provider = parse_spec(spec).provider
        except ModelConfigError as error:
            words = str(error)
            problem = say("config.problem.model", place=place, detail=words)
        else:
            missing = _missing(settings, (MODEL_KEYS[provider],)) if provider in MODEL_KEYS else []
            problem = say("config.problem.secret", place=place, variable=missing[0]) if missing else None
            if provider == "offline":
                words = say("config.model.offline")
            else:
                words = say("config.model.missing", variables=", ".join(missing)) if missing else say("config.model.ready")
        if problem and problem not in problems:
            problems.append(problem)
        rows.append({"agent": agent, "model": spec, "missing": missing, "words": words})
    return rows


def _schedules(settings: Settings, say: Any, now: datetime) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, cron in settings.operator.schedules.model_dump().items():
        due = next(_runs(cron, settings, now), None)
        words = say("config.schedule.next", at=due) if due else say("config.schedule.never")
        rows.append(
            {
                "schedule": name,
                "cron": cron,
                "next": due.isoformat() if due else None,
                "words": words,
                "does": say(f"dial.schedules.{name}"),
            }
        )
    return rows


def _runs(cron: str, settings: Settings, now: datetime) -> Iterator[datetime]:
    """The coming runs of a cron line in the workspace's zone, the first one after `now`; none for an empty line."""
    if cron:
        from croniter import croniter

        coming = croniter(cron, now.astimezone(ZoneInfo(settings.operator.time_zone)))
        while True:
            yield coming.get_next(datetime)


def fires(settings: Settings, locale: str, now: datetime, span: timedelta) -> dict[str, list[tuple[str, str]]]:
    """(moment in ISO 8601, words) of the runs of each schedule within the span, and of the first one after it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, cron in settings.operator.schedules.model_dump().items():
        rows = found[name] = []
        for due in _runs(cron, settings, now):
            words = render(Message(id="config.schedule.next", params={"at": due}), locale, settings.operator.time_zone)
            rows.append((due.isoformat(), words))
            if due > now + span:
                break
    return found


def _agentos(settings: Settings, say: Any) -> list[str]:
    """Keys of the `agentos` section that AgentOS would drop without a word."""
    given = settings.operator.agentos
    if not given:
        return []
    known = agentos_fields()
    problems: list[str] = []
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, cutoff=0.5)
            remedy = f"{near[0]}?" if near else ", ".join(known)
            problems.append(say("config.problem.agentos", place=f"agentos.{key}", remedy=remedy))
    return problems


def agentos_fields() -> list[str]:
    """Field names of agno's AgentOSConfig, read from its source: importing agno.os takes seconds. Raises ConfigError."""
    file = Path(agentos_source())
    if not file.is_file():
        raise ConfigError([f"agentos: cannot be checked, {file} is missing; run `make setup`"])
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == "AgentOSConfig":
            return [item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
    raise ConfigError([f"agentos: cannot be checked, {file} has no class AgentOSConfig"])


def agentos_source() -> str:
    """Where agno's AgentOSConfig is written."""
    spec = find_spec("agno")
    roots = list(spec.submodule_search_locations or ()) if spec else []
    return str(Path(roots[0], "os", "config.py") if roots else Path("agno/os/config.py"))
