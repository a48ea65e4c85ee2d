"""Special ad categories: housing, employment, credit and politics are declared, and never aimed by age."""

from __future__ import annotations

from knowledge.domain.action import PublishCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import ANSWERS, COMPLIANCE, Rule, finding
from tools.guardrails.words import Patterns, everything

KNOWN = frozenset(
    {
        "NONE", "HOUSING", "EMPLOYMENT", "CREDIT", "FINANCIAL_PRODUCTS_SERVICES", "ISSUES_ELECTIONS_POLITICS",
        "ONLINE_GAMBLING_AND_GAMING",
    }
)  # fmt: skip
"""Meta's categories (ads.md 1.2)."""
SIGNS = Patterns(
    {
        "HOUSING": (
            r"\b(?:imove(?:l|is)|imobiliari\w+|casa propria|loteamentos?|condominio fechado|"
            r"(?:casas?|apartamentos?|aptos?|terrenos?|lotes?|kitnets?) (?:a venda|para alugar|para venda|na planta|de \d quartos?)|"
            r"alug\w+ (?:de |um |uma )?(?:casas?|apartamentos?|quartos?|kitnets?)|(?:houses?|apartments?|homes?|rooms?) for (?:sale|rent)|"
            r"real estate|mortgages?)\b"
        ),
        "EMPLOYMENT": (
            r"\b(?:vagas? (?:de (?:emprego|trabalho|estagio)|abertas?|para (?:vendedor|motorista|auxiliar|cozinheir)\w*)|"
            r"(?:estamos )?contratando|contrata-se|trabalhe conosco|processo seletivo|envie (?:o )?seu curriculo|ofertas? de emprego|"
            r"we(?:'re| are) hiring|job (?:openings?|offers?)|now hiring|apply for (?:this|the) job)\b"
        ),
        "CREDIT": (
            r"\b(?:emprestimos?|consignados?|credito (?:pessoal|facil|aprovado|na hora|para negativad\w+|imobiliario|consignado)|"
            r"cartao de credito (?:sem|aprovad\w+|gratis|para)|financiamento (?:aprovado|facil|sem entrada)|refinanciamento|"
            r"limp(?:e|ar) (?:o )?(?:seu )?nome|antecip\w+ (?:o )?(?:seu )?fgts|(?:payday|personal|student|quick) loans?|"
            r"loans?|credit cards? (?:offers?|approval|with no)|bad credit)\b"
        ),
        "ISSUES_ELECTIONS_POLITICS": (
            r"\b(?:eleic(?:ao|oes)|vote (?:em|no|na|for)|candidat[oa]s? a (?:prefeit|vereador|deputad|senador|governador|presiden)\w+|"
            r"partido politico|plebiscito|aborto|reforma tributaria|mudancas? climaticas?|elections?|ballots?|abortion|gun control|"
            r"immigration policy|climate change)\b"
        ),
    }
)


def _judge(action: PublishCampaign, facts: Facts, policy: Policy) -> Finding:
    declared = [name for name in action.special_ad_categories if name != "NONE"]
    told = ", ".join(declared) or "-"
    unknown = next((name for name in declared if name not in KNOWN), None)
    narrow = action.age_min != 18 or action.age_max != 65
    limits = {"age_min": action.age_min, "age_max": action.age_max}
    if unknown is not None or (declared and narrow):
        return finding("special_category", "refuse", category=unknown or declared[0], declared=told, **limits)
    suspected = SIGNS.first(everything(action))
    if suspected is not None and suspected[0] not in declared:
        # The same words may stand in an ordinary ad: a person knows which it is, unless the operator wants no such ad at all.
        params = {"category": suspected[0], "words": suspected[1], "declared": told}
        if policy.guardrails.compliance.undeclared_category == "ask":
            return finding("special_category", "ask", **params)
        message = Message(id="guard.special_category.undeclared", params=params)
        return Finding(rule="special_category", answer="refuse", message=message, numbers=params)
    return finding("special_category", "allow", declared=told)


def _sentence(policy: Policy) -> Message:
    return Message(id="rule.special_category", params={"answer": ANSWERS[policy.guardrails.compliance.undeclared_category]})


RULE = Rule("special_category", (PublishCampaign,), _judge, _sentence, (COMPLIANCE + "undeclared_category",))
