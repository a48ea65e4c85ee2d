"""Who asks for what in a proof: people, agents, laws among many, and publications. Shared by episodes and stories."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Literal, cast

from knowledge.domain.action import Actor, Creative, Platform, PublishCampaign
from knowledge.domain.ids import derived
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import Autonomy, Financial, Guardrails, Policy, Quality, QuorumStep

START = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
PLATFORMS: tuple[Platform, ...] = ("meta", "tiktok")
BUYER = Actor(kind="agent", id="media_buyer")
SDR = Actor(kind="agent", id="sdr")
CLOCKWORK = Actor(kind="schedule", id="decide")
ANA = Actor(kind="user", id="ana@example.com", role="manager")
RUI = Actor(kind="user", id="rui@example.com", role="admin")
EVA = Actor(kind="user", id="eva@example.com", role="manager")
VERA = Actor(kind="user", id="vera@example.com", role="viewer")
PROPOSERS = (BUYER, BUYER, BUYER, CLOCKWORK, ANA, EVA, SDR)
DECIDERS = (ANA, ANA, EVA, RUI, RUI, VERA, BUYER, Actor(kind="user", id="ana@example.com", role="admin"))
WHY = Message(id="why.proof", params={})
DENIED = frozenset(
    {
        "gate.not_allowed", "gate.other_arguments", "gate.own_proposal", "gate.own_edit", "gate.role_needed", "gate.already_decided",
        "gate.expired", "gate.unreadable", "gate.not_found", "gate.refused_now",
    }
)  # fmt: skip


def brl(minor: int) -> Money:
    return Money(minor=minor, currency="BRL")


def some_policy(chance: random.Random, *, lively: bool = False) -> Policy:
    """A law among many: caps, quorum, grace, levels and distances differ from episode to episode.

    `lively` leaves out what keeps nearly everything from happening, where steps are dear.
    """
    daily = chance.choice((20000, 30000, 30000, 60000))
    quorum: tuple[QuorumStep, ...] = ()
    if chance.random() < 0.5:
        quorum = (QuorumStep(above=brl(chance.choice((3000, 8000))), approvals=2),)
        if chance.random() < 0.5:
            quorum = (*quorum, QuorumStep(above=brl(10000), approvals=chance.choice((1, 2)), role="admin"))
    by_action: dict[str, Literal[1, 2, 3]] = {}
    for kind in ("campaign.set_budget", "campaign.resume", "campaign.pause", "message.send"):
        if chance.random() < (0.05 if lively else 0.12):
            by_action[kind] = cast(Literal[1, 2, 3], chance.choice((2, 2, 3)))
    return Policy(
        guardrails=Guardrails(
            financial=Financial(
                daily_cap=brl(daily),
                weekly_cap=brl(daily * chance.choice((2, 5, 7))),
                max_campaign_budget=brl(chance.choice((8000, 15000))),
                pause_asks_above=brl(500000),
                max_adjustments_per_day=chance.choice((6, 50, 50)),
                new_campaign_asks=chance.random() < 0.5,
                platform_daily_cap={"meta": brl(daily // 2)} if chance.random() < 0.3 else {},
                campaign_daily_cap=brl(daily // 3) if chance.random() < 0.3 else None,
                strategy_min_campaigns=chance.choice((3, 50)),
            ),
            quality=Quality(
                min_hours_between_raises=chance.choice((0, 0, 48)),
                min_runtime_hours=0 if lively else chance.choice((0, 72)),
                min_impressions=0 if lively else chance.choice((0, 0, 1000)),
                test_hours=0 if lively else chance.choice((0, 0, 24)),
                rejection_memory_hours=0 if lively else chance.choice((0, 72)),
            ),
        ),
        autonomy=Autonomy(
            level=1,
            by_action=by_action,
            publication=chance.choice(("auto", "approval") if lively else ("auto", "auto", "approval", "dry_run")),
            approval_hours=chance.choice((1, 4)),
            grace_minutes=chance.choice((0, 0, 0, 10)),
            quorum=quorum,
        ),
    )


def id_of(key: str) -> str:
    """The id that the gate gives to the intent of a key."""
    return derived(f"agente-ceo:{key}")


def publication(platform: Platform, name: str, minor: int) -> PublishCampaign:
    """A publication that no rule of content minds."""
    return PublishCampaign(
        platform=platform, campaign_id=name, product_id="pia", name=name, daily_budget=brl(minor),
        creatives=(Creative(id=f"{name}-1", headline="Pia", text="Pia em aço inox", image_url="https://x.example/i.jpg"),),
        landing_url="https://x.example/pia",
    )  # fmt: skip
