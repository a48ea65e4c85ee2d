"""The only file that knows concrete classes: settings -> database, adapters, gate, agents."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agents import offline_brain
from knowledge.domain.action import Action, Actor, Creative, Platform
from knowledge.domain.campaign import Product
from knowledge.domain.clock import Clock
from knowledge.domain.lead import LeadProfile
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from prompts.messages import render
from runtime.db.engine import make_engine, normalise_url
from runtime.db.gate_books import PgGateBooks
from runtime.db.lease import Lease
from runtime.db.uow import Database
from runtime.desks import ManagerDesk
from runtime.jobs.engine import Engine, bind, database_url_for_engine
from runtime.jobs.expectations import expected_at_gate
from runtime.media import LocalMedia
from runtime.request_desk import RequestDesk
from runtime.settings import Settings
from tools.effects import Effects, Ports
from tools.errors import Unauthorized
from tools.gate import Gate
from tools.guardrails import RULES
from tools.guardrails.operational import CONDUCT

if TYPE_CHECKING:
    from agno.models.base import Model
    from agno.team import Team

    from agents.sdr import Sdr
    from knowledge.library import Library
    from runtime.cockpit.deps import ChatAnswer
    from tools.errors import VendorError
    from tools.ports import MediaStore, WebhookSource

ROOT = Path(__file__).resolve().parent.parent


class SystemClock:
    """The real moment."""

    def now(self) -> Any:
        from datetime import UTC, datetime

        return datetime.now(UTC)


@dataclass
class House:
    """Everything a request or a job may need. Built once per process by `build_house`, closed by `close`."""

    settings: Settings
    clock: Clock
    db: Database
    books: PgGateBooks
    effects: Effects
    gate: Gate
    jobs: Engine
    sources: Mapping[str, WebhookSource]
    library: Library
    media: MediaStore
    agno_db: Any
    _policy: Policy
    confirm_within: timedelta = timedelta(minutes=10)
    """How long a yes in the chat counts for what was shown there."""
    _models: dict[str, tuple[Model, list[Model]]] = field(default_factory=dict)

    def policy(self) -> Policy:
        """The law in force."""
        return self._policy

    def render(self, message: Message, locale: str) -> str:
        """A sentence in a locale, moments in the workspace's time zone."""
        return render(message, locale, self._policy.time_zone)

    # -- agents ---------------------------------------------------------------------------------------------------------------

    def models(self, agent: str) -> tuple[Model, list[Model]]:
        """(primary, fallbacks) of an agent by the operator's configuration."""
        from agents.models import build_models

        if agent not in self._models:
            crew, secrets = self.settings.operator.crew, self.settings.secrets
            keys = {"openai": secrets.get("openai_api_key"), "anthropic": secrets.get("anthropic_api_key")}
            keys["openai-like"] = keys["openai"]
            specs = [crew.by_agent.get(agent, crew.model), *crew.fallback]  # pyright: ignore[reportArgumentType, reportCallIssue]
            self._models[agent] = build_models(
                specs,
                offline_brain=offline_brain(agent),
                keys={k: v for k, v in keys.items() if v},
                max_turns=crew.max_model_turns,
            )
        return self._models[agent]

    def rules_in_words(self, locale: str, subject: tuple[type, ...] = (object,)) -> list[str]:
        """What the law says, for prompts and pages."""
        said = [
            self.render(rule.sentence(self._policy), locale)
            for rule in RULES
            if subject == (object,) or any(issubclass(s, rule.applies) for s in subject)
        ]
        # How effects are sent holds for every subject, but only who plans for the whole house is told.
        return said + [self.render(c.sentence(self._policy), locale) for c in CONDUCT] if subject == (object,) else said

    def make_sdr(self, profile: LeadProfile) -> Sdr:
        """The SDR for one turn."""
        from agents.sdr import build_sdr
        from knowledge.domain.action import SendMessage
        from tools.kits.knowledge import KnowledgeKit
        from tools.kits.lead import LeadKit

        model, fallbacks = self.models("sdr")
        return build_sdr(
            model,
            LeadKit(profile),
            KnowledgeKit(self.library),
            company=self.settings.operator.conversation.company,
            policy=self.rules_in_words("pt-BR", (SendMessage,)),
            fallback_models=fallbacks,
        )

    def make_ceo(self, desk: ManagerDesk, decisions: RequestDesk, *, may_propose: bool, db: Any = None) -> Team:
        """The CEO with the five specialists, for one session's actor."""
        from agents.analyst import build_analyst
        from agents.ceo import build_ceo
        from agents.copywriter import build_copywriter
        from agents.media_buyer import build_media_buyer
        from agents.scout import build_scout
        from agents.sdr import build_sdr
        from tools.kits.knowledge import KnowledgeKit
        from tools.kits.lead import LeadKit
        from tools.kits.media import MediaKit
        from tools.kits.reports import ReportKit
        from tools.kits.requests import RequestKit
        from tools.kits.research import ResearchKit

        locale = decisions.locale
        media = MediaKit(desk, locale=locale, may_propose=may_propose)
        reports, research = ReportKit(desk, locale=locale), ResearchKit(desk)
        requests = RequestKit(decisions, locale=locale)
        policy = self.rules_in_words(locale)

        def with_models(build: Callable[..., Any], name: str, *kits: Any, **more: Any) -> Any:
            model, fallbacks = self.models(name)
            return build(model, *kits, fallback_models=fallbacks, **more)

        company = self.settings.operator.conversation.company
        members = [
            with_models(build_scout, "scout", research),
            with_models(build_copywriter, "copywriter", research),
            with_models(build_media_buyer, "media_buyer", media, policy=policy),
            with_models(build_analyst, "analyst", reports, MediaKit(desk, locale=locale, may_propose=False)),
            with_models(build_sdr, "sdr", LeadKit(LeadProfile()), KnowledgeKit(self.library), company=company).agent,
        ]
        return with_models(build_ceo, "ceo", media, reports, research, requests, members, policy=policy, db=db)

    async def ask(self, user: Actor, text: str, locale: str, conversation: str = "cockpit") -> ChatAnswer:
        """A manager's question or command, answered from the ledger. A yes counts in the conversation in which it was asked for."""
        from agents.ceo import ask_ceo
        from agents.offline.commands import locale_of
        from runtime.cockpit.deps import ChatAnswer

        # Answered in the language of the question, whatever the page is set to.
        locale = locale_of(text)
        request = f"chat:{uuid.uuid4()}"
        desk = ManagerDesk(self, user, request, text)
        decisions = RequestDesk(self, user, locale, text, request, conversation)
        await decisions.begin()
        team = self.make_ceo(desk, decisions, may_propose=user.role in ("manager", "admin"), db=self.agno_db)
        reply = await ask_ceo(team, text, session_id=f"chat:{user.id}", user_id=user.id)
        answer = reply.text or self.render(Message(id="chat.failed", params={"detail": reply.error or ""}), locale)
        # What a person says yes to, and what the gate said, is read in its own words whatever a model made of them.
        answer = "\n\n".join([answer, *(said for said in decisions.shown if said not in answer)])
        acted = tuple(dict.fromkeys([*desk.proposed, *decisions.acted]))
        return ChatAnswer(text=answer, rows=tuple(desk.rows[:20]), action_ids=acted)

    async def write_creatives(self, product: Product, platform: Platform, campaign_id: str) -> tuple[Creative, ...]:
        """Three wordings by the copywriter, within the law's lengths. Raises agents.copywriter.NoCopy."""
        from agents.copywriter import write_variants
        from tools.creative_image import draw

        model, fallbacks = self.models("copywriter")
        length = self._policy.ad_length(platform)
        variants = await write_variants(model, product, platform, count=3, length=length, fallback_models=fallbacks)
        creatives: list[Creative] = []
        for n, v in enumerate(variants, 1):
            image = product.image_url
            if image is None:
                drawn = await asyncio.to_thread(draw, product.name, v.headline)
                image = await self.media.put(f"creatives/{campaign_id}-{n}.png", drawn, "image/png")
            creatives.append(Creative(id=f"{campaign_id}-{n}", headline=v.headline, text=v.text, cta=v.cta, image_url=image))
        return tuple(creatives)

    def catalogue(self) -> list[Product]:
        """The products of the operator's catalogue file."""
        from knowledge.library import shop_products

        file = Path(self.settings.operator.marketing.catalogue)
        return shop_products(file if file.is_absolute() else self.settings.path.resolve().parent / file, self._policy.currency)

    # -- alerts ---------------------------------------------------------------------------------------------------------------

    async def alert(self, cause: str, kind: str, severity: Literal["info", "warning", "critical"], **params: Any) -> bool:
        """Opens an alert once per cause; True when it is new."""
        now, message = self.clock.now(), Message(id=f"alert.{kind}", params=params)
        async with self.db.transaction() as tx:
            opened = await tx.alerts.open(cause, kind, severity, message, at=now)
            if opened is not None:
                await tx.live_events.add(
                    "alert.opened", {"kind": kind, "severity": severity, "message": message.model_dump(mode="json")}, at=now
                )
        return opened is not None

    async def resolve(self, cause: str) -> None:
        """Closes the alert of a cause that is gone."""
        now = self.clock.now()
        async with self.db.transaction() as tx:
            if await tx.alerts.resolve(cause, at=now):
                await tx.live_events.add("alert.resolved", {"cause": cause}, at=now)

    async def unread(self, vendor: str, error: VendorError) -> None:
        """Says once that a vendor could not be read: a token that it refuses is mended by a person, all else may pass by itself."""
        if isinstance(error, Unauthorized):
            await self.alert(f"token:{vendor}", "token_refused", "critical", platform=vendor, detail=error.detail)
        else:
            await self.alert(f"api:{vendor}", "api_failing", "warning", platform=vendor, detail=error.detail)

    async def read_again(self, vendor: str) -> None:
        """The vendor answers as it should: whatever `unread` said of it is over."""
        await self.resolve(f"token:{vendor}")
        await self.resolve(f"api:{vendor}")

    async def close(self) -> None:
        """Stops working, closes every client and the database."""
        await self.jobs.stop()
        for port in (
            *self.effects.ports.ads.values(),
            self.effects.ports.messenger,
            self.effects.ports.desk,
            self.effects.ports.crm,
        ):
            closing = getattr(port, "aclose", None) or getattr(port, "close", None)
            if closing is not None:
                await closing()
        await self.db.dispose()


async def build_house(settings: Settings, database_url: str, clock: Clock | None = None, *, poll_seconds: float = 0.1) -> House:
    """Connects everything. The database must be migrated. Raises ConfigError when something configured lacks its secret."""
    from agno.db.postgres import AsyncPostgresDb

    from knowledge.library import Library, catalogue_documents

    the_clock: Clock = clock or SystemClock()
    operator = settings.operator
    policy = operator.policy()
    url = normalise_url(database_url)
    engine = make_engine(url)
    db = Database(engine)
    books = PgGateBooks(engine)
    lease = await Lease.acquire(engine, the_clock.now())
    ports, sources = connect(settings, the_clock)
    effects = Effects(ports)

    async def expect(action: Action, proposer: Actor) -> dict[str, Any] | None:
        return await expected_at_gate(house, action, proposer)

    gate = Gate(books, effects, lambda: policy, the_clock, executor=lease.incarnation, expect=expect)
    jobs = Engine(
        database_url_for_engine(url),
        engine,
        lease,
        the_clock,
        operator.schedules.model_dump(),
        operator.time_zone,
        poll_seconds=poll_seconds,
    )
    library = Library()
    media = LocalMedia(settings.secrets.ceo_data_dir / "media", operator.public_url)
    await library.learn(catalogue_documents())
    agno_db = AsyncPostgresDb(db_engine=engine, db_schema="agno")
    house = House(settings, the_clock, db, books, effects, gate, jobs, sources, library, media, agno_db, policy)
    bind_jobs(house)
    return house


def bind_jobs(house: House) -> None:
    """Gives the durable workflows their functions."""
    from runtime.jobs import care, inbound, turns

    async def on_inbound(webhook_event_id: str) -> None:
        await inbound.inbound(house, webhook_event_id)

    async def on_think(conversation_id: str, wake: int) -> Any:
        return await turns.think(house, conversation_id, wake)

    async def on_speak(conversation_id: str, thought: dict[str, Any]) -> Any:
        return await turns.speak(house, conversation_id, thought)

    async def on_follow_up(conversation_id: str, thought: dict[str, Any], spoken: dict[str, Any]) -> None:
        await turns.follow_up(house, conversation_id, thought, spoken)

    async def on_tick(schedule: str, slot: str) -> Any:
        return await care.tick(house, schedule, slot)

    bind(inbound=on_inbound, think=on_think, speak=on_speak, follow_up=on_follow_up, tick=on_tick)


def connect(settings: Settings, clock: Clock) -> tuple[Ports, dict[str, WebhookSource]]:
    """The vendors that the operator configured, through the registry."""
    from tools.registry import make, make_webhooks

    vendors, secrets, limits = settings.operator.vendors, settings.secrets, settings.operator.guardrails.operational
    ads: dict[Platform, Any] = {}
    messenger = desk = crm = None
    sources: dict[str, WebhookSource] = {}
    if (meta := vendors.meta) is not None:
        ads["meta"] = make(
            "meta",
            clock=clock,
            token=secrets.need("meta_access_token"),
            app_secret=secrets.get("meta_app_secret"),
            limits=limits,
            **meta.model_dump(),
        )
    if (tiktok := vendors.tiktok) is not None:
        token = secrets.need("tiktok_access_token")
        ads["tiktok"] = make("tiktok", clock=clock, token=token, limits=limits, **tiktok.model_dump())
    if (zapi := vendors.zapi) is not None:
        messenger = make(
            "zapi",
            base_url=zapi.base_url,
            instance=zapi.instance_id,
            token=secrets.need("zapi_token"),
            client_token=secrets.need("zapi_client_token"),
            per_second=zapi.per_second,
            limits=limits,
        )
        sources["zapi"] = make_webhooks("zapi", path_token=secrets.get("zapi_webhook_token"), instance_id=zapi.instance_id)
    if (chatwoot := vendors.chatwoot) is not None:
        desk = make(
            "chatwoot",
            base_url=chatwoot.base_url,
            account_id=chatwoot.account_id,
            inbox_id=chatwoot.inbox_id,
            bot_token=secrets.need("chatwoot_bot_token"),
            user_token=secrets.need("chatwoot_user_token"),
            per_second=chatwoot.per_second,
            limits=limits,
        )
        secret = secrets.get("chatwoot_webhook_secret")
        sources["chatwoot"] = make_webhooks(
            "chatwoot",
            secrets=[secret] if secret else [],
            clock=clock,
            account_id=chatwoot.account_id,
            require_signature=chatwoot.require_signature,
        )
    if (piperun := vendors.piperun) is not None:
        crm = make("piperun", token=secrets.need("piperun_token"), limits=limits, **piperun.model_dump())
    return Ports(ads=ads, messenger=messenger, desk=desk, crm=crm), sources
