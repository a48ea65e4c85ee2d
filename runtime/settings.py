"""Settings: `agentos.yaml` for what an operator decides, the environment (runtime.environment) for secrets and places."""

from __future__ import annotations

import difflib
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from knowledge.domain.money import Money
from knowledge.domain.policy import Autonomy, Guardrails, Policy, Targets
from runtime import environment

MONEY_DIALS = ("daily_cap", "weekly_cap", "max_campaign_budget", "pause_asks_above", "campaign_daily_cap", "campaign_weekly_cap")
STOP_NEEDS = ("database_url", "ceo_data_dir", "ceo_config")
"""The part of the environment without which a stop reaches no database."""
MONEY_TABLES = ("platform_daily_cap", "platform_weekly_cap")


class ConfigError(Exception):
    """What is wrong with the configuration: one line per problem, each naming file, place, problem and remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Meta(_Section):
    """Meta Marketing API account."""

    base_url: str = "https://graph.facebook.com"
    account_id: str = Field(description="Ad account, like act_1234567890")
    pixel_id: str
    page_id: str
    dsa_beneficiary: str | None = Field(
        default=None, description="Who benefits from the ads; needed when a country of the EU is targeted"
    )
    dsa_payor: str | None = Field(default=None, description="Who pays for the ads; needed when a country of the EU is targeted")
    per_second: int = Field(default=10, ge=1, le=1000, description="Requests a second that we allow ourselves")


class TikTok(_Section):
    """TikTok Business API account."""

    base_url: str = "https://business-api.tiktok.com"
    advertiser_id: str
    pixel_id: str | None = None
    identity_id: str | None = None
    display_name: str | None = Field(default=None, description="Name shown above the ad")
    location_ids: dict[str, str] = Field(default={"BR": "3469034", "US": "6252001"}, description="Country code -> location id")
    per_second: int = Field(default=10, ge=1, le=1000, description="Requests a second that we allow ourselves")


class ZApi(_Section):
    """Z-API WhatsApp instance."""

    base_url: str = "https://api.z-api.io"
    instance_id: str
    per_second: int = Field(default=5, ge=1, le=1000, description="Requests a second that we allow ourselves")


class Chatwoot(_Section):
    """Chatwoot account and the API inbox that mirrors WhatsApp."""

    base_url: str
    account_id: str
    inbox_id: str
    require_signature: bool = True
    per_second: int = Field(default=10, ge=1, le=1000, description="Requests a second that we allow ourselves")


class PipeRun(_Section):
    """PipeRun pipeline in which deals are opened."""

    base_url: str = "https://api.pipe.run"
    pipeline_id: str
    stage_id: str
    origin_id: str | None = None
    owner_id: str | None = None
    per_second: int = Field(default=2, ge=1, le=1000, description="Requests a second that we allow ourselves")


class Vendors(_Section):
    """Outside services. One that is left out is not used; its actions are refused with a sentence."""

    meta: Meta | None = None
    tiktok: TikTok | None = None
    zapi: ZApi | None = None
    chatwoot: Chatwoot | None = None
    piperun: PipeRun | None = None


class Crew(_Section):
    """Which model each agent uses: offline | openai:MODEL | openai-like:URL:MODEL | anthropic:MODEL | ollama:MODEL."""

    model: str = Field(default="offline", description="For every agent that has no model of its own")
    fallback: tuple[str, ...] = Field(default=(), description="Tried in order when the model fails")
    by_agent: dict[Literal["ceo", "scout", "copywriter", "media_buyer", "analyst", "sdr"], str] = {}
    max_model_turns: int = Field(default=12, ge=1, le=100, description="Calls of the model in one run")


class Conversation(_Section):
    """How leads are answered."""

    debounce_seconds: int = Field(default=8, ge=0, le=120, description="Quiet time after a lead's message before the bot answers")
    debounce_max_seconds: int = Field(default=30, ge=1, le=600, description="Longest wait when a lead keeps writing")
    company: str = Field(default="nossa empresa", description="Name by which the bot introduces itself")
    notice_url: str | None = Field(default=None, description="Privacy notice, linked in the first message")


class Marketing(_Section):
    """What the loop launches."""

    platforms: tuple[Literal["meta", "tiktok"], ...] = ("meta", "tiktok")
    daily_budget: dict[Literal["meta", "tiktok"], Decimal] = {"meta": Decimal("50.00"), "tiktok": Decimal("60.00")}
    countries: tuple[str, ...] = ("BR",)
    max_new_campaigns_per_day: int = Field(default=2, ge=0)
    catalogue: str = Field(default="knowledge/catalogue/products.yaml", description="Product file, relative to this one")


class Schedules(_Section):
    """Cron lines in the workspace's time zone; empty = never by itself."""

    launch: str = "0 9 * * *"
    publish: str = "*/10 * * * *"
    insights: str = "5 * * * *"
    decide: str = "20 */6 * * *"
    approvals: str = "* * * * *"
    reconcile: str = "* * * * *"
    desk_poll: str = "*/10 * * * *"
    alerts: str = "*/15 * * * *"
    watch: str = "*/15 * * * *"
    verdicts: str = "25 * * * *"
    autonomy: str = "*/15 * * * *"
    anchor: str = "0 * * * *"

    @field_validator("*")
    @classmethod
    def _cron(cls, value: str) -> str:
        if value:
            from croniter import croniter

            if not croniter.is_valid(value):
                raise ValueError(f"{value!r} is not a cron line; five fields, like */15 * * * *")
        return value


class Operator(_Section):
    """All of `agentos.yaml`."""

    workspace: str = "default"
    currency: str = "BRL"
    time_zone: str = "America/Sao_Paulo"
    locale: Literal["pt-BR", "en"] = "pt-BR"
    public_url: str = Field(default="http://127.0.0.1:8000", description="Where vendors reach this installation (webhooks, media)")
    autonomy: Autonomy = Autonomy()
    guardrails: Guardrails
    targets: Targets = Targets()
    marketing: Marketing = Marketing()
    conversation: Conversation = Conversation()
    schedules: Schedules = Schedules()
    crew: Crew = Crew()
    vendors: Vendors = Vendors()
    quick_prompts: tuple[str, ...] = ()
    terminal: dict[str, str] = Field(default={}, description="Which account of the cockpit a login at the terminal is")
    agentos: dict[str, Any] = Field(default={}, description="Passed to Agno's AgentOSConfig")

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value not in available_timezones():
            near = difflib.get_close_matches(value, available_timezones(), 1)
            raise ValueError(f"{value!r} is not a time zone" + (f"; did you mean {near[0]}?" if near else ""))
        ZoneInfo(value)
        return value

    @model_validator(mode="after")
    def _sound(self) -> Operator:
        self.policy()
        return self

    def policy(self) -> Policy:
        """The law that the gate applies."""
        return Policy(
            workspace=self.workspace,
            currency=self.currency,
            time_zone=self.time_zone,
            guardrails=self.guardrails,
            autonomy=self.autonomy,
            targets=self.targets,
        )


class Secrets(BaseModel):
    """Secrets and places, from the environment only. `.env.example` is generated from this class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: SecretStr | None = Field(default=None, description="Any Postgres 15+; empty = embedded one under CEO_DATA_DIR")
    ceo_data_dir: Path = Field(default=Path("data"), description="Where the embedded database, media and Chroma live")
    ceo_config: Path = Field(default=Path("agentos.yaml"), description="The operator's file")
    ceo_secret_key: SecretStr | None = Field(
        default=None, description="Signs AgentOS tokens; 32+ random characters; needed by `ceo serve`"
    )
    ceo_log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe line that is logged"
    )
    meta_access_token: SecretStr | None = Field(default=None, description="System-user token with ads_management")
    meta_app_secret: SecretStr | None = Field(default=None, description="Makes appsecret_proof and verifies webhooks")
    tiktok_access_token: SecretStr | None = Field(default=None, description="Long-lived access token of the advertiser")
    zapi_token: SecretStr | None = Field(default=None, description="Token of the Z-API instance")
    zapi_client_token: SecretStr | None = Field(default=None, description="Account security token (Client-Token header)")
    zapi_webhook_token: SecretStr | None = Field(default=None, description="Unguessable path part: /webhooks/zapi/<this>")
    chatwoot_user_token: SecretStr | None = Field(default=None, description="Access token of an administrator, for reading")
    chatwoot_bot_token: SecretStr | None = Field(default=None, description="Access token of the agent bot, for writing")
    chatwoot_webhook_secret: SecretStr | None = Field(default=None, description="Secret that signs Chatwoot's webhooks")
    piperun_token: SecretStr | None = Field(default=None, description="PipeRun API token")
    openai_api_key: SecretStr | None = Field(default=None, description="For openai: and openai-like: models")
    anthropic_api_key: SecretStr | None = Field(default=None, description="For anthropic: models")

    def need(self, name: str) -> str:
        """A secret that something configured needs. Raises ConfigError naming the variable."""
        value: SecretStr | None = getattr(self, name)
        if value is None:
            raise ConfigError([f"environment: {name.upper()} is not set; {type(self).model_fields[name].description}"])
        return value.get_secret_value()

    def get(self, name: str) -> str | None:
        """A secret that may be missing."""
        value: SecretStr | None = getattr(self, name)
        return value.get_secret_value() if value is not None else None


class Settings(BaseModel):
    """Everything that configures this installation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operator: Operator
    secrets: Secrets
    path: Path


_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser where PyYAML was built with it: ten times faster, and every command reads this file."""


class _Loader(_Parser):
    """YAML whose decimals stay decimal: no cent is lost to a float."""


def _decimal(loader: Any, node: yaml.ScalarNode) -> Decimal:
    text = str(loader.construct_scalar(node))
    try:
        return Decimal(text.replace("_", ""))
    except ArithmeticError:
        problem = f"{text} is not an amount or a share; write a number like 0.20"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


def load(path: Path | None = None, env: dict[str, str] | None = None) -> Settings:
    """Reads file and environment. Raises ConfigError with every problem found."""
    secrets = load_secrets(env)
    file = path or secrets.ceo_config
    return Settings(operator=load_operator(file), secrets=secrets, path=file)


def load_for_stop(path: Path | None = None, env: dict[str, str] | None = None) -> tuple[Settings, list[str]]:
    """What a stop needs and nothing else, with the problems that were passed over: a file that is broken elsewhere, or not there at
    all, must not keep anybody from stopping. The operator has no rules then: nothing can be judged with it."""
    problems: list[str] = []
    try:
        secrets = load_secrets(env)
    except ConfigError as error:
        problems += error.problems
        secrets = Secrets.model_validate({name: value for name, value in _given(env).items() if name in STOP_NEEDS})
    file = path or secrets.ceo_config
    try:
        operator = load_operator(file)
    except ConfigError as error:
        problems += error.problems
        operator = _least_operator(file)
    return Settings.model_construct(operator=operator, secrets=secrets, path=file), problems


def _least_operator(path: Path) -> Operator:
    """Workspace, locale and zone as far as the file can be read, else the defaults."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8", errors="replace"), Loader=_Loader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        raw = None
    given: dict[str, Any] = raw if isinstance(raw, dict) else {}
    kept: dict[str, Any] = {}
    if isinstance(name := given.get("workspace"), str):
        kept["workspace"] = name
    if (locale := given.get("locale")) in ("pt-BR", "en"):
        kept["locale"] = locale
    if isinstance(zone := given.get("time_zone"), str) and zone in available_timezones():
        kept["time_zone"] = zone
    return Operator.model_construct(**kept)


def _given(env: dict[str, str] | None) -> dict[str, str]:
    source = environment.dotenv_values() | environment.variables() if env is None else env
    return {name: source[name.upper()] for name in Secrets.model_fields if source.get(name.upper())}


def load_secrets(env: dict[str, str] | None = None) -> Secrets:
    """From the environment (or a given mapping), and below it from a `.env` in the working folder. Empty values count as unset."""
    try:
        return Secrets.model_validate(_given(env))
    except ValidationError as error:
        raise ConfigError([f"environment: {str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]) from None


def load_operator(path: Path) -> Operator:
    """Parses the operator's file. Raises ConfigError; every line names file, line, path of the key, problem and remedy."""
    source = _source(path)
    try:
        loader = _Loader(source)
        node = loader.get_single_node()
        lines, repeated = _lines(node)
        raw = loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}" if mark else ""
        raise ConfigError([f"{path}{place}: not readable as YAML: {getattr(error, 'problem', error)}"]) from None
    except (ValueError, RecursionError) as error:  # 2026-13-45 looks like a date; an alias may name what it stands in
        raise ConfigError([f"{path}: not readable as YAML: {error}; put quotes around what is plain text"]) from None
    if not isinstance(raw, dict):
        raise ConfigError([f"{path}: is empty or not a mapping; start from the project's agentos.yaml"])
    problems = [_twice(path, key, first, again) for key, first, again in repeated] + _money(raw, path, lines)
    if problems:
        raise ConfigError(problems)
    try:
        return Operator.model_validate(raw)
    except ValidationError as error:
        raise ConfigError([_problem(path, lines, e) for e in error.errors()]) from None


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file; copy agentos.yaml from the project, or name yours in CEO_CONFIG"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 (byte {error.start + 1}); save it as UTF-8 text"]) from None
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be read: {error.strerror}; name the operator's file (--config or CEO_CONFIG)"]
        ) from None


def _twice(path: Path, key: tuple[str, ...], first: int, again: int) -> str:
    name = ".".join(key)
    return f"{path}:{again} {name}: is set twice, on line {first} and on line {again}; only one could count, so keep one of them"


def _money(raw: dict[str, Any], path: Path, lines: dict[tuple[str, ...], int]) -> list[str]:
    """Turns the plain amounts of the financial dials into Money of the workspace's currency, in place."""
    problems: list[str] = []
    currency = raw.get("currency", "BRL")
    guardrails = raw.get("guardrails")
    financial = guardrails.get("financial") if isinstance(guardrails, dict) else None
    amounts: list[tuple[dict[str, Any], tuple[str, ...], str]] = []
    if isinstance(financial, dict):
        top = ("guardrails", "financial")
        amounts += [(financial, (*top, dial), dial) for dial in MONEY_DIALS]
        tables = [(financial[name], name) for name in MONEY_TABLES if isinstance(financial.get(name), dict)]
        amounts += [(table, (*top, name, entry), entry) for table, name in tables for entry in table]
    autonomy = raw.get("autonomy")
    steps = autonomy.get("quorum") if isinstance(autonomy, dict) else None
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, dict):
            amounts.append((step, ("autonomy", "quorum", str(index), "above"), "above"))
    for holder, key, dial in amounts:
        value = holder.get(dial)
        if isinstance(value, int | str | Decimal) and not isinstance(value, bool):
            try:
                holder[dial] = Money.of(value, currency)
            except ValueError as error:
                problems.append(f"{path}:{lines.get(key, 1)} {'.'.join(key)}: {error}")
    return problems


def _lines(node: yaml.Node | None) -> tuple[dict[tuple[str, ...], int], list[tuple[tuple[str, ...], int, int]]]:
    """The line of every key, and the keys that are set twice with both their lines: YAML would let the last one win in silence."""
    found: dict[tuple[str, ...], int] = {}
    repeated: list[tuple[tuple[str, ...], int, int]] = []

    def walk(current: yaml.Node | None, at: tuple[str, ...]) -> None:
        if isinstance(current, yaml.MappingNode):
            for key, value in current.value:
                place, line = (*at, str(key.value)), key.start_mark.line + 1
                if place in found:
                    repeated.append((place, found[place], line))
                found[place] = line
                walk(value, place)
        elif isinstance(current, yaml.SequenceNode):
            for index, value in enumerate(current.value):
                found[(*at, str(index))] = value.start_mark.line + 1
                walk(value, (*at, str(index)))

    walk(node, ())
    return found, repeated


def _problem(path: Path, lines: dict[tuple[str, ...], int], error: Any) -> str:
    place = tuple(str(part) for part in error["loc"])
    line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), 1)
    name = ".".join(place) or "(whole file)"
    if error["type"] == "extra_forbidden":
        known = _keys_at(Operator, place[:-1])
        near = difflib.get_close_matches(place[-1], known, 1, cutoff=0.5)
        meant = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"
        return f"{path}:{line} {name}: unknown key; {meant}"
    message = error["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(error.get("input"), dict) or error["type"] == "missing" else f" (you wrote {error.get('input')})"
    return f"{path}:{line} {name}: {message}{shown}"


def _keys_at(model: type[BaseModel], place: tuple[str, ...]) -> list[str]:
    current: Any = model
    for part in place:
        field = current.model_fields.get(part) if hasattr(current, "model_fields") else None
        if field is None:
            return []
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        current = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
        if current is None:
            return []
    return list(current.model_fields)


def env_example() -> str:
    """The text of `.env.example`: every variable with its purpose and its default."""
    out = ["# Copy to .env and fill in what you use. Every variable may stay empty for `make demo`.", ""]
    for name, field in Secrets.model_fields.items():
        out.append(f"# {field.description}")
        default = "" if field.default is None else str(field.default)
        out += [f"{name.upper()}={default}", ""]
    return "\n".join(out)
