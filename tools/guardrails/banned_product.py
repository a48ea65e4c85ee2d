"""Goods that the platforms do not let anybody advertise, and the operator's own banned words (pt-BR and en)."""

from __future__ import annotations

from knowledge.domain.action import PublishCampaign
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from tools.guardrails.rule import COMPLIANCE, Rule, finding
from tools.guardrails.words import Patterns, everything, has_word

BANNED = Patterns(
    {
        "weapons": (
            r"\b(?:armas? (?:de fogo|de choque|branca)|revolver(?:es)?|pistolas? (?!de (?:cola|pintura|ar|silicone|calor|lavagem|agua)|massag|"
            r"para (?:pintura|pulveriz|lava))|fuzil|fuzis|espingardas?|municao|municoes|soco ingles|canivetes? automatic\w+|"
            r"faca (?:tatica|de combate)|balestras?|spray de pimenta|taser|explosivos?|fogos de artificio|firearms?|handguns?|rifles?|"
            r"ammo|ammunition|brass knuckles|switchblades?|pepper spray|stun guns?|explosives|fireworks)\b"
        ),
        "tobacco": (
            r"\b(?:cigarros?|charutos?|vapes?|vapers?|pod descartavel|narguiles?|tabaco|nicotina|e-?cigarettes?|cigarettes?|cigars?|"
            r"hookahs?|tobacco|nicotine)\b"
        ),
        "drugs": (
            r"\b(?:maconha|cannabis|cbd|thc|cocaina|lsd|ecstasy|cogumelos? magicos?|anabolizantes?|esteroides?|kratom|marijuana|weed|"
            r"cocaine|magic mushrooms|steroids)\b"
        ),
        "medicines": (
            r"\b(?:ozempic|mounjaro|wegovy|semaglutida|semaglutide|tirzepatida|sibutramina|viagra|cialis|tadalafila|rivotril|tramadol|"
            r"antibioticos?|tarja preta|remedios? sem receita|emagrecedor(?:es)?|pilulas? (?:de|para) emagrec\w+|diet pills?|"
            r"prescription drugs?|antibiotics)\b"
        ),
        "adult": (
            r"\b(?:sex ?shop|vibrador(?:es)?(?! de concreto| para concreto)|produtos? eroticos?|brinquedos? eroticos?|porno\w*|"
            r"acompanhantes de luxo|sex toys?|escort service)\b"
        ),
        "counterfeit": (
            r"\b(?:replicas? (?:perfeitas?|premium|de luxo|aaa|1:1|identicas?|original)|falsificad[oa]s?|"
            r"imitac(?:ao|oes) (?:de|da|do) (?:marca|bolsa|relogio|tenis|grife)|super ?clone|counterfeits?|knock-?offs?|replica "
            r"(?:watch|bag|shoe)\w*)\b"
        ),
        "gambling": (
            r"\b(?:cassinos?|casinos?|apostas? (?:esportivas?|online)|aposte (?:agora|ja|e ganhe)|jogo do (?:tigrinho|bicho)|fortune tiger|"
            r"caca-?niquel|sports betting|slot machines?|bet(?:ting)? online)\b"
        ),
        "documents": (
            r"\b(?:diplomas? (?:falsos?|sem estudar|reconhecido na hora)|cnh (?:sem prova|facilitada)|(?:rg|cpf|passaporte) falsos?|"
            r"(?:comprar?|compre) seguidores|fake (?:diplomas?|ids?|passports?)|buy followers)\b"
        ),
        "wildlife": (
            r"\b(?:marfim|ivory|animais silvestres|animal silvestre|filhotes? de (?:arara|papagaio|macaco|tartaruga)|"
            r"chifre de rinoceronte|rhino horn|endangered species)\b"
        ),
        "spying": (
            r"\b(?:espiona\w*|camera espia|clonar (?:whatsapp|cartao|celular)|rastrear (?:celular|whatsapp) (?:do|da|de)|"
            r"bloqueador de sinal|jammers?|(?:lista|servidor) iptv|iptv|tv ?box desbloquead\w+|gatonet|spy ?(?:cams?|apps?|ware)|"
            r"hack(?:ear|ing)? (?:whatsapp|instagram|accounts?))\b"
        ),
        "schemes": (
            r"\b(?:piramides? financeiras?|marketing multinivel|opcoes binarias|robo (?:de )?(?:trade|forex|apostas?|opcoes)|"
            r"ponzi|pyramid scheme|multi-?level marketing|binary options)\b"
        ),
    }
)
LABELS: dict[str, dict[str, str]] = {
    "weapons": {"pt-BR": "armas e explosivos", "en": "weapons and explosives"},
    "tobacco": {"pt-BR": "tabaco e nicotina", "en": "tobacco and nicotine"},
    "drugs": {"pt-BR": "drogas", "en": "drugs"},
    "medicines": {"pt-BR": "remédios e emagrecedores", "en": "medicines and diet pills"},
    "adult": {"pt-BR": "conteúdo adulto", "en": "adult goods"},
    "counterfeit": {"pt-BR": "falsificações", "en": "counterfeits"},
    "gambling": {"pt-BR": "jogos de azar", "en": "gambling"},
    "documents": {"pt-BR": "documentos falsos", "en": "false documents"},
    "wildlife": {"pt-BR": "animais protegidos", "en": "protected animals"},
    "spying": {"pt-BR": "espionagem e pirataria", "en": "spying and piracy"},
    "schemes": {"pt-BR": "esquemas financeiros", "en": "financial schemes"},
    "own": {"pt-BR": "lista do operador", "en": "the operator's list"},
}


def banned(text: str, own: tuple[str, ...] = ()) -> tuple[str, str] | None:
    """(category, the words) of the first banned good in a normal text; `own` are the operator's words."""
    hit = BANNED.first(text)
    if hit:
        return hit
    word = next((word for word in own if has_word(text, word)), None)
    return None if word is None else ("own", word)


def _judge(action: PublishCampaign, facts: Facts, policy: Policy) -> Finding:
    found = banned(everything(action), policy.guardrails.compliance.banned_terms)
    if found is None:
        return finding("banned_product", "allow")
    return finding("banned_product", "refuse", category=LABELS[found[0]], words=found[1])


RULE = Rule(
    "banned_product", (PublishCampaign,), _judge, lambda policy: Message(id="rule.banned_product"), (COMPLIANCE + "banned_terms",)
)
