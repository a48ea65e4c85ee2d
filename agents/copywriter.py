"""The copywriter: wordings of ads, checked against the platform's limits before anybody sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import prompts
from agents.member import member
from knowledge.domain.action import Platform
from knowledge.domain.campaign import AD_LENGTHS, AdLength, Product
from tools.kits import as_json
from tools.kits.creative import CopyVariant, CreativeKit
from tools.kits.research import ResearchKit

if TYPE_CHECKING:
    from agno.agent import Agent
    from agno.models.base import Model

_ROLE = "Writes headlines, texts and calls to action for ads of a product"


class NoCopy(RuntimeError):
    """The copywriter gave no usable wording; the sentence says why. Try again later or write it by hand."""


def build_copywriter(model: Model, research: ResearchKit, *, fallback_models: Sequence[Model] = (), db: Any = None) -> Agent:
    """The CEO's copywriter, who finds the product and shows wordings."""
    return member("copywriter", _ROLE, model, prompts.load("copywriter"), research.tools(), fallback_models, db)


async def write_variants(
    model: Model,
    product: Product,
    platform: Platform,
    *,
    count: int = 3,
    length: AdLength | None = None,
    fallback_models: Sequence[Model] = (),
) -> tuple[CopyVariant, ...]:
    """1..count wordings for a product on a platform, each within `length` (the platform's unless told). Raises NoCopy when none came."""
    most = length or AD_LENGTHS[platform]
    kit = CreativeKit(platform, most=count, length=most)
    agent: Any = member("copywriter", _ROLE, model, prompts.load("copywriter"), kit.tools(), fallback_models, None)
    facts = {"name": product.name, "description": product.description, "keywords": product.keywords}
    task = (
        f"<platform>{platform}</platform>\n<headline>{most.headline}</headline>\n<text>{most.text}</text>\n<count>{count}</count>\n<product>{as_json(facts)}</product>\n"
        f"Hand in {count} wordings with submit_variant, a headline and a text of at most so many characters each."
    )
    run = await agent.arun(input=task, stream=False)
    if not kit.variants():
        raise NoCopy(f"{product.id} on {platform}: no usable wording; the run ended {run.status.value}: {str(run.content)[:200]}")
    return kit.variants()
