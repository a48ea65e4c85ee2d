"""Well-known brands in an ad: without a licence a person decides; an imitation that leans on one is refused."""

from __future__ import annotations

import re
from functools import cache

from knowledge.domain.action import PublishCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import COMPLIANCE, Rule, finding
from tools.guardrails.words import everything, normal

BRANDS = frozenset(
    {
        "nike", "adidas", "air jordan", "gucci", "prada", "louis vuitton", "chanel", "dior", "balenciaga", "versace", "armani",
        "rolex", "cartier", "omega seamaster", "casio", "g-shock", "ray-ban", "rayban", "oakley", "lacoste", "tommy hilfiger",
        "calvin klein", "hugo boss", "victoria's secret", "levi's", "zara", "crocs", "havaianas", "new balance", "asics", "mizuno",
        "iphone", "ipad", "airpods", "macbook", "apple watch", "samsung", "galaxy buds", "xiaomi", "jbl", "sony", "playstation", "xbox",
        "nintendo", "gopro", "nikon", "dyson", "lego", "barbie", "hot wheels", "disney", "mickey mouse", "marvel", "pokemon",
        "hello kitty", "star wars", "harry potter", "peppa pig", "galinha pintadinha", "turma da monica", "coca-cola", "pepsi",
        "red bull", "heineken", "starbucks", "nescafe", "nespresso", "dolce gusto", "nutella", "mcdonald's", "tupperware",
        "stanley cup", "copo stanley", "garrafa stanley", "le creuset", "kitchenaid", "tramontina", "brastemp", "electrolux", "philips",
        "black+decker", "bosch", "makita", "dewalt", "rational", "hobart", "ferrari", "lamborghini", "porsche", "harley-davidson",
        "netflix", "spotify", "flamengo", "corinthians", "palmeiras", "fifa", "copa do mundo", "nba", "o boticario", "sephora",
        "faber-castell", "michelin", "duracell",
    }
)  # fmt: skip
_IMITATES = (
    r"\b(?:tipo|estilo|inspirad[oa]s? (?:em|na|no)|identic[oa]s? (?:ao|a)|igual(?:zinh[oa])? (?:ao|a)|replicas?(?: d[aeo])?|clones?|"
    r"similar (?:ao|a|to)|dupe|imitacao(?: d[aeo])?|inspired by|style of|looks like|just like)"
)


@cache
def _any() -> re.Pattern[str]:
    """Every brand, the longest first; compiled when the first ad is judged."""
    names = sorted((normal(brand) for brand in BRANDS), key=lambda name: (-len(name), name))
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(name) for name in names) + r")(?!\w)")


def named(text: str, licensed: tuple[str, ...] = ()) -> tuple[str, bool] | None:
    """(brand, whether the text imitates it) of the first unlicensed brand in a normal text."""
    free = {normal(brand) for brand in licensed}
    found = [hit for hit in _any().finditer(text) if hit[0] not in free]
    imitated = [hit for hit in found if re.search(_IMITATES + r" (?:\w+ ){0,2}$", text[: hit.start()])]
    if imitated:
        return imitated[0][0], True
    return (found[0][0], False) if found else None


def _judge(action: PublishCampaign, facts: Facts, policy: Policy) -> Finding:
    licensed = policy.guardrails.compliance.licensed_brands
    found = named(everything(action), licensed)
    if found is None:
        return finding("trademark", "allow", licensed=", ".join(licensed) or "-")
    return finding("trademark", "refuse" if found[1] else "ask", brand=found[0], licensed=", ".join(licensed) or "-")


RULE = Rule(
    "trademark",
    (PublishCampaign,),
    _judge,
    lambda policy: Message(
        id="rule.trademark", params={"licensed": ", ".join(policy.guardrails.compliance.licensed_brands) or "-"}
    ),
    (COMPLIANCE + "licensed_brands",),
)
